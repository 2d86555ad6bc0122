package mos

import (
	"math"
	"testing"
)

func TestNarrowbandVectors(t *testing.T) {
	for _, v := range rows(t, "vectors_nb.csv", 677) {
		c, p := Codec{Ie: v.number("Ie"), Bpl: v.number("Bpl")}, v.path()
		s := Rate(c, p)
		v.want("R", s.R)
		v.want("MOS_monotone", s.MOS)
		v.want("Idd", s.DelayCost)
		v.want("Ie_eff", s.LossCost+s.CodecCost)

		terms := Narrowband{}.Terms(c, p)
		v.want("R", terms.R)
		v.want("Ie_eff", terms.IeEff)

		coupled := Narrowband{T: p.Delay, Tr: 2 * p.Delay}.Terms(c, p)
		v.want("Idte_coupled", coupled.Idte)
		v.want("Idle_coupled", coupled.Idle)
		v.want("R_coupled", coupled.R)
	}
}

func TestWidebandVectors(t *testing.T) {
	for _, v := range rows(t, "vectors_wb.csv", 416) {
		c, p := Codec{Scale: WB, Ie: v.number("Ie_WB"), Bpl: v.number("Bpl_WB")}, v.path()
		s := Rate(c, p)
		v.want("R", s.R)
		if want := max(1, v.number("MOS")); math.Abs(s.MOS-want) > near {
			t.Errorf("%v\nMOS: got %.7f, want %.6f", v.cells, s.MOS, want)
		}
		v.want("Idd_WB", s.DelayCost)
		v.want("Ie_eff_WB", s.LossCost+s.CodecCost)

		v.want("R", Wideband{}.Terms(c, p).R)
		v.want("R_idd_only", Wideband{WEPL: Set(math.Inf(1))}.Terms(c, p).R)
		v.want("R_coupled", Wideband{T: p.Delay, Tr: 2 * p.Delay}.Terms(c, p).R)
		v.want("R_coupled_roe129", Wideband{Roe: Set(129), T: p.Delay, Tr: 2 * p.Delay}.Terms(c, p).R)
	}
}

func TestFullbandVectors(t *testing.T) {
	for _, v := range rows(t, "vectors_fb.csv", 624) {
		c, p := Codec{Scale: FB, Ie: v.number("Ie_FB"), Bpl: v.number("Bpl_FB")}, v.path()
		s := Rate(c, p)
		v.want("R", s.R)
		if want := max(1, v.number("MOS")); math.Abs(s.MOS-want) > near {
			t.Errorf("%v\nMOS: got %.7f, want %.6f", v.cells, s.MOS, want)
		}
		v.want("Idd_FB", s.DelayCost)
		v.want("Ie_eff_FB", s.LossCost+s.CodecCost)
		v.want("R", FullbandTerms(c, p).R)
	}
}

func TestDelayImpairmentOfEveryClassAndScale(t *testing.T) {
	classes := map[string]Sensitivity{
		"default": DefaultSensitivity, "low": LowSensitivity, "very_low": VeryLowSensitivity,
	}
	for _, v := range rows(t, "idd.csv", 57) {
		class, ok := classes[v.text("class")]
		if !ok {
			t.Fatalf("class %q is unknown", v.text("class"))
		}
		k := sensitivities[class]
		if k.slope != v.number("sT") || k.least != v.millis("mT_ms") {
			t.Errorf("%v: got sT %v and mT %v", class, k.slope, k.least)
		}
		p := Path{Delay: v.millis("Ta_ms"), Sensitivity: class}
		v.want("Idd_NB", Rate(Codec{Scale: NB}, p).DelayCost)
		v.want("Idd_NB", Narrowband{}.Terms(Codec{}, p).Idd)
		if class == DefaultSensitivity {
			v.want("Idd_WB", Rate(Codec{Scale: WB}, p).DelayCost)
			v.want("Idd_WB", Wideband{}.Terms(Codec{}, p).Idd)
			v.want("Idd_FB", Rate(Codec{Scale: FB}, p).DelayCost)
			v.want("Idd_FB", FullbandTerms(Codec{}, p).Idd)
			continue
		}
		// The other scales have no classes: theirs is the narrowband cost,
		// stretched.
		for scale, factor := range map[Scale]float64{WB: 1.29, FB: 1.48} {
			got, want := Rate(Codec{Scale: scale}, p).DelayCost, factor*v.number("Idd_NB")
			if math.Abs(got-want) > 2*near {
				t.Errorf("%v %v at %v: got %v, want %v", scale, class, p.Delay, got, want)
			}
		}
	}
}

func TestRatingToMOS(t *testing.T) {
	for _, v := range rows(t, "r_to_mos.csv", 39) {
		r := v.number("R")
		v.want("MOS_NB_monotone", NB.MOS(r))
		for column, s := range map[string]Scale{"MOS_WB_R_over_1.29": WB, "MOS_FB_R_over_1.48": FB} {
			if got, want := s.MOS(r), max(1, v.number(column)); math.Abs(got-want) > near {
				t.Errorf("%v R %v: got %.7f, want %.6f", s, r, got, want)
			}
		}
	}
}

func TestMOSToRating(t *testing.T) {
	for _, v := range rows(t, "mos_to_r.csv", 22) {
		m := v.number("MOS")
		v.want("R_closed_form", NB.R(m))
		v.want("R_closed_form", WB.R(m)/1.29)
		v.want("R_closed_form", FB.R(m)/1.48)
		for s := range Scale(3) {
			v.want("roundtrip_MOS", s.MOS(s.R(m)))
		}
	}
}

func TestMOSToRatingOutsideTheScale(t *testing.T) {
	const low = 6.515307716504659 // 80 - sqrt(5400)
	for _, c := range []struct {
		name      string
		mos, want float64
	}{
		{"below the scale", 0.2, low},
		{"minus infinity", math.Inf(-1), low},
		{"not a number", math.NaN(), low},
		{"above the scale", 4.8, 100},
		{"infinity", math.Inf(1), 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NB.R(c.mos); math.Abs(got-c.want) > near {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestDefaultTermsOfG107(t *testing.T) {
	d := Narrowband{}.Terms(Codec{}, Path{})
	got := map[string]float64{
		"No": d.No, "Ro": d.Ro, "Iolr": d.Iolr, "Ist": d.Ist, "Iq": d.Iq, "Is": d.Is, "Idte": d.Idte,
		"Idle": d.Idle, "Idd": d.Idd, "Id": d.Id, "Ieff": d.IeEff, "R": d.R, "MOS": d.MOS(),
	}
	all := rows(t, "nb_default_terms.csv", 13)
	for _, v := range all {
		term, ok := got[v.text("term")]
		if !ok {
			t.Errorf("term %q is not computed", v.text("term"))
		}
		v.want("value_at_all_defaults", term)
	}
	if len(all) != len(got) {
		t.Errorf("got %d terms, want %d", len(got), len(all))
	}
}

func TestPublishedEquipmentImpairmentUnderLoss(t *testing.T) {
	names := map[string]string{"G.729A+VAD": "g729a", "G.723.1+VAD": "g7231-6.3"}
	for _, v := range rows(t, "g113_ie_under_loss.csv", 18) {
		c, err := Lookup(names[v.text("codec")])
		if err != nil {
			t.Fatal(err)
		}
		s := Rate(c, Path{Loss: v.number("Ppl_pct") / 100})
		got := s.CodecCost + s.LossCost
		v.want("Ie_eff_formula", got)
		// The integers once printed are never more than 1.1 away.
		if d := math.Abs(got - v.number("Ie_published_integer")); d > 1.1 {
			t.Errorf("%v: %v away from the printed value", v.cells, d)
		}
	}
}
