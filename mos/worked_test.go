package mos

import (
	"math"
	"testing"
	"time"
)

// echoing is the narrowband connection whose echo path is as long as the delay.
func echoing(c Codec, p Path) Terms { return Narrowband{T: p.Delay, Tr: 2 * p.Delay}.Terms(c, p) }

// codec looks a codec up that has to be there.
func codec(t *testing.T, name string) Codec {
	t.Helper()
	c, err := Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// impairment is Ie,eff of a score.
func impairment(s Score) float64 { return s.CodecCost + s.LossCost }

func TestWorkedExamples(t *testing.T) {
	var (
		g711   = codec(t, "g711")
		noPLC  = codec(t, "g711-noplc")
		g729a  = codec(t, "g729a")
		efr    = codec(t, "gsm-efr")
		lossy  = Path{Loss: 0.02, Delay: 150 * time.Millisecond}
		def    = Narrowband{}.Terms(Codec{}, Path{})
		gilber = Path{Loss: 0.02, BurstR: 2} // p = .01, q = .49: loss p/(p+q), BurstR 1/(p+q)
	)
	delayed := func(ms float64) Terms { return echoing(g711, Path{Delay: millis(ms)}) }
	lost := func(c Codec, loss float64) Score { return Rate(c, Path{Loss: loss}) }
	wide := func(ie, ms float64) Terms {
		d := millis(ms)
		return Wideband{T: d, Tr: 2 * d}.Terms(Codec{Ie: ie}, Path{Delay: d})
	}
	// sipnab leaves the listener echo of the wideband model out.
	amr := func(rate string) float64 {
		return Wideband{WEPL: Set(math.Inf(1))}.Terms(codec(t, "amr-wb-"+rate), Path{}).MOS()
	}
	percent := func(share float64) float64 { return 100 * share }

	// In the order of the file.
	examples := []struct {
		quantity string
		got      float64
	}{
		{"default Ro", def.Ro},
		{"default Is", def.Is},
		{"default Id", def.Id},
		{"default R", def.R},
		{"MOS at default", def.MOS()},
		{"default R, ten digits", Rate(Codec{}, Path{}).R},
		{"G.729A+VAD 2 % 150 ms: Ie,eff", echoing(g729a, lossy).IeEff},
		{"same: Id", echoing(g729a, lossy).Id},
		{"same: R", echoing(g729a, lossy).R},
		{"same: MOS", echoing(g729a, lossy).MOS()},
		{"G.711+PLC same path: Ie,eff", echoing(g711, lossy).IeEff},
		{"same: R", echoing(g711, lossy).R},
		{"same: MOS", echoing(g711, lossy).MOS()},
		{"Gilbert p=.01 q=.49, G.711 no PLC: Ie,eff", impairment(Rate(noPLC, gilber))},
		{"same loss, random", impairment(lost(noPLC, 0.02))},
		{"Gilbert, with PLC", impairment(Rate(g711, gilber))},
		{"G.729A 16 % Ie,eff", impairment(lost(g729a, 0.16))},
		{"GSM-EFR 5 % Ie,eff", impairment(lost(efr, 0.05))},
		{"G.711+PLC 10 % Ie,eff", impairment(lost(g711, 0.1))},
		{"G.711 no PLC 1 % Ie,eff", impairment(lost(noPLC, 0.01))},
		{"loss that brings G.729A at 150 ms to R=60", echoing(g729a, Path{Loss: 0.053, Delay: lossy.Delay}).R},
		{"G.711+PLC Ta=T=150: R", delayed(150).R},
		{"G.711+PLC Ta=T=150: MOS", delayed(150).MOS()},
		{"Ta=T=250: R", delayed(250).R},
		{"Ta=T=250: MOS", delayed(250).MOS()},
		{"Ta=T=100: R", delayed(100).R},
		{"Ta=T=100: MOS", delayed(100).MOS()},
		{"1 % loss: R", lost(g711, 0.01).R},
		{"1 % loss: MOS", lost(g711, 0.01).MOS},
		{"5 % loss: R", lost(g711, 0.05).R},
		{"5 % loss: MOS", lost(g711, 0.05).MOS},
		{"G.729 2 %: R", lost(g729a, 0.02).R},
		{"G.729 2 %: MOS", lost(g729a, 0.02).MOS},
		{"WB Ie 5, Ta=T=150: R", wide(5, 150).R},
		{"same: MOS", wide(5, 150).MOS()},
		{"WB Ta=T=50: R", wide(0, 50).R},
		{"AMR-WB 23.85 monotic MOS, no loss", amr("23.85")},
		{"AMR-WB 23.05 monotic MOS, no loss", amr("23.05")},
		{"AMR-WB 19.85 monotic MOS, no loss", amr("19.85")},
		{"AMR-WB 18.25 monotic MOS, no loss", amr("18.25")},
		{"AMR-WB 15.85 monotic MOS, no loss", amr("15.85")},
		{"AMR-WB 14.25 monotic MOS, no loss", amr("14.25")},
		{"AMR-WB 12.65 monotic MOS, no loss", amr("12.65")},
		{"AMR-WB 8.85 monotic MOS, no loss", amr("8.85")},
		{"AMR-WB 6.6 monotic MOS, no loss", amr("6.6")},
		{"MOS at R=90 (80 is printed 4.03)", NB.MOS(90)},
		{"GoB % at R=90", percent(NB.GoodOrBetter(90))},
		{"PoW % at R=90", percent(NB.PoorOrWorse(90))},
		{"MOS at R=80 (80 is printed 4.03)", NB.MOS(80)},
		{"GoB % at R=80", percent(NB.GoodOrBetter(80))},
		{"PoW % at R=80", percent(NB.PoorOrWorse(80))},
		{"MOS at R=70 (80 is printed 4.03)", NB.MOS(70)},
		{"GoB % at R=70", percent(NB.GoodOrBetter(70))},
		{"PoW % at R=70", percent(NB.PoorOrWorse(70))},
		{"MOS at R=60 (80 is printed 4.03)", NB.MOS(60)},
		{"GoB % at R=60", percent(NB.GoodOrBetter(60))},
		{"PoW % at R=60", percent(NB.PoorOrWorse(60))},
		{"MOS at R=50 (80 is printed 4.03)", NB.MOS(50)},
		{"GoB % at R=50", percent(NB.GoodOrBetter(50))},
		{"PoW % at R=50", percent(NB.PoorOrWorse(50))},
	}
	all := rows(t, "worked_examples.csv", len(examples))
	if len(all) != len(examples) {
		t.Fatalf("got %d examples, want %d", len(examples), len(all))
	}
	for i, v := range all {
		e := examples[i]
		if v.text("quantity") != e.quantity {
			t.Fatalf("example %d is %q, want %q", i, e.quantity, v.text("quantity"))
		}
		v.want("recomputed", e.got)
		if d := math.Abs(e.got - v.number("published")); d > v.number("tolerance") {
			t.Errorf("%v: got %.6f", v.cells, e.got)
		}
	}
}
