package mos

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// TestMistakesOfOthersAreToldApart computes, for every row of mistakes.csv, the
// reference value with this package and the wrong value the wrong way: the
// first has to be the reference, the second has to be the mistake (so that it
// is understood), and the two have to differ by what the row says.
func TestMistakesOfOthersAreToldApart(t *testing.T) {
	const printed = 0.5e-4 + 1e-9 // values have four decimals
	seen := map[string]bool{}
	for _, v := range rows(t, "mistakes.csv", 80) {
		id, condition := v.text("id"), v.text("condition")
		seen[id] = true
		t.Run(id+" "+v.text("mistake")+": "+condition, func(t *testing.T) {
			compute, ok := mistakes[id]
			if !ok {
				t.Fatal("no test for this mistake")
			}
			reference, wrong := compute(t, v.text("mistake"), condition)
			if d := math.Abs(reference - v.number("reference_value")); d > printed {
				t.Errorf("reference: got %.4f, want %.4f", reference, v.number("reference_value"))
			}
			if d := math.Abs(wrong - v.number("wrong_value")); d > printed {
				t.Errorf("mistake: got %.4f, want %.4f", wrong, v.number("wrong_value"))
			}
			if math.Abs(reference-v.number("wrong_value")) <= 2*printed {
				t.Errorf("%.4f cannot be told from the mistake", reference)
			}
		})
	}
	if len(seen) != 28 || len(mistakes) != 28 {
		t.Errorf("got %d mistakes in the file and %d in the test, want 28", len(seen), len(mistakes))
	}
}

// The wrong ways' own pieces.

// cubic is the polynomial of Annex B without any limit.
func cubic(r float64) float64 { return 1 + 0.035*r + r*(r-60)*(100-r)*7e-6 }

// effective is the delay part of the R of common monitoring tools.
func effective(rtt, jitter float64) float64 {
	d := rtt + 2*jitter + 10
	if d < 160 {
		return 93.2 - d/40
	}
	return 93.2 - (d-120)/10
}

// bent is the published line through the delay curve with echo.
func bent(d float64) float64 { return 0.024*d + 0.11*max(0, d-177.3) }

// scan reads the numbers of a condition.
func scan(t *testing.T, condition, format string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscanf(condition, format, into...); err != nil {
		t.Fatalf("condition %q: %v", condition, err)
	}
}

// after returns the condition from its last occurrence of the given word on.
func after(t *testing.T, condition, word string) (x float64) {
	t.Helper()
	for i := range condition {
		if _, err := fmt.Sscanf(condition[i:], word+" %g", &x); err == nil {
			return x
		}
	}
	t.Fatalf("condition %q: no number after %q", condition, word)
	return 0
}

// rate scores narrowband G.711 with concealment on an echo-free path.
func rate(t *testing.T, percent, delayMS float64) Score {
	t.Helper()
	return Rate(codec(t, "g711"), Path{Loss: percent / 100, Delay: millis(delayMS)})
}

// mistakes computes the reference and the wrong value of a row.
var mistakes = map[string]func(t *testing.T, mistake, condition string) (reference, wrong float64){
	"M01": func(t *testing.T, _, condition string) (float64, float64) {
		var rtt, jitter, loss float64
		scan(t, condition, "RTT %g ms, jitter %g ms, loss %g %%", &rtt, &jitter, &loss)
		return rate(t, loss, rtt/2+2*jitter+20).MOS, cubic(effective(rtt, jitter) - 2.5*loss)
	},
	"M02": func(t *testing.T, _, condition string) (float64, float64) {
		var with string
		var loss float64
		scan(t, condition, "G.711 %s PLC, loss %g %%", &with, &loss)
		c := codec(t, map[string]string{"with": "g711", "without": "g711-noplc"}[with])
		return Rate(c, Path{Loss: loss / 100}).MOS, cubic(93.2 - 2.5*loss)
	},
	"M03": func(t *testing.T, _, condition string) (float64, float64) {
		c, loss := codec(t, "g711"), 0.05
		if strings.HasPrefix(condition, "G.711 no PLC") {
			c, loss = codec(t, "g711-noplc"), 0.019
		}
		p := Path{Loss: loss, BurstR: after(t, condition, "BurstR")}
		return Rate(c, p).MOS, Rate(c, Path{Loss: loss}).MOS
	},
	"M04": func(t *testing.T, _, condition string) (float64, float64) {
		var lost, late float64
		scan(t, condition, "%g %% lost + %g %% late", &lost, &late)
		c := codec(t, "g711")
		if lost == 0 {
			c = codec(t, "g711-noplc")
		}
		return Rate(c, Path{Loss: (lost + late) / 100}).MOS, Rate(c, Path{Loss: lost / 100}).MOS
	},
	"M05": func(t *testing.T, _, _ string) (float64, float64) {
		return rate(t, 5, 0).MOS, rate(t, 0.05, 0).MOS
	},
	"M06": func(t *testing.T, _, condition string) (float64, float64) {
		return Rate(Codec{}, Path{}).MOS, cubic(after(t, condition, "R0 ="))
	},
	"M07": func(t *testing.T, _, condition string) (float64, float64) {
		r := after(t, condition, "R =")
		return NB.MOS(r), 1 + 0.035*r + r*(r-60)*(100-r)*7e-7
	},
	"M08": func(t *testing.T, _, condition string) (float64, float64) {
		r := after(t, condition, "R =")
		return NB.MOS(r), 1 + 0.035*r + r*(r-52)*(100-r)*7e-6
	},
	"M09": func(t *testing.T, _, condition string) (float64, float64) {
		r := after(t, condition, "R =")
		return NB.MOS(r), cubic(r)
	},
	"M10": func(t *testing.T, _, condition string) (float64, float64) {
		r := after(t, condition, "R =")
		return NB.MOS(r), cubic(r)
	},
	"M11": func(t *testing.T, _, condition string) (float64, float64) {
		wrong := 1.0
		if r := effective(10, 0) - 2.5*37; r > 6.52 {
			wrong = cubic(r)
		}
		return rate(t, after(t, condition, "loss"), 5).MOS, wrong
	},
	"M12": func(t *testing.T, _, condition string) (float64, float64) {
		loss := after(t, condition, "loss")
		return rate(t, loss, 0).MOS, Rate(Codec{Bpl: 1}, Path{Loss: loss / 100}).MOS
	},
	"M13": func(t *testing.T, _, condition string) (float64, float64) {
		d := after(t, condition, "Ta =")
		return rate(t, 0, d).MOS, cubic(NB.Best() - bent(d))
	},
	"M14": func(t *testing.T, _, condition string) (float64, float64) {
		d := after(t, condition, "Ta = T =")
		return echoing(Codec{}, Path{Delay: millis(d)}).Id, bent(d)
	},
	"M15": func(t *testing.T, _, condition string) (float64, float64) {
		d := after(t, condition, "Ta =")
		root := func(x float64) float64 { return math.Pow(1+math.Pow(x, 5), 1.0/5) }
		x := math.Log2(d / 100)
		return rate(t, 0, d).DelayCost, 25 * (root(x) - 3*root(x/3) + 2)
	},
	"M16": func(t *testing.T, _, condition string) (float64, float64) {
		p := Path{Delay: millis(after(t, condition, "Ta ="))}
		return Rate(Codec{}, p).R, echoing(Codec{}, p).R
	},
	"M17": func(t *testing.T, _, condition string) (float64, float64) {
		rtt := after(t, condition, "RTT")
		return rate(t, 0, rtt/2).MOS, rate(t, 0, rtt).MOS
	},
	"M18": func(t *testing.T, mistake, condition string) (float64, float64) {
		c := codec(t, fmt.Sprintf("amr-wb-%g", after(t, condition, "AMR-WB")))
		if c.Ie != after(t, condition, "Ie,WB =") {
			t.Errorf("Ie,WB: got %v", c.Ie)
		}
		// The row leaves the constant listener echo of the wideband model out.
		right := Wideband{WEPL: Set(math.Inf(1))}.Terms(c, Path{})
		if mistake == "R_WB read without /1.29" {
			return right.MOS(), cubic(right.R)
		}
		return right.MOS(), cubic(93.2 - c.Ie)
	},
	"M19": func(t *testing.T, _, condition string) (float64, float64) {
		c, p := codec(t, "evs-9.6"), Path{Loss: 0.05}
		if c.Ie != after(t, condition, "Ie") || c.Bpl != after(t, condition, "Bpl") {
			t.Errorf("got Ie %v, Bpl %v", c.Ie, c.Bpl)
		}
		return Rate(c, p).MOS, Wideband{}.Terms(c, p).MOS()
	},
	"M20": func(t *testing.T, _, condition string) (float64, float64) {
		c, p := codec(t, "evs-48"), Path{Loss: after(t, condition, "loss") / 100}
		wrong := c
		wrong.Bpl = 4.3
		return Rate(c, p).MOS, Rate(wrong, p).MOS
	},
	"M21": func(t *testing.T, _, condition string) (float64, float64) {
		loss := after(t, condition, "loss")
		r := 93.2 - loss
		return rate(t, loss, 0).MOS, NB.MOS(0.18*r*r - 27.9*r + 1126.62)
	},
	"M22": func(t *testing.T, _, condition string) (float64, float64) {
		var d float64
		scan(t, condition, "delay %g ms, Ie 6, no loss", &d)
		cost := 0.03 * d
		if d > 150 {
			cost = 0.1*d - 150
		}
		return rate(t, 0, d).MOS, NB.MOS(100 - 6 - cost)
	},
	"M23": func(t *testing.T, _, condition string) (float64, float64) {
		d := after(t, condition, "d =")
		return rate(t, 0, d).MOS, cubic(93.2 - 0.024*d - 0.11*(d-177.3)*math.Sqrt(d-177.3))
	},
	"M24": func(t *testing.T, mistake, _ string) (float64, float64) {
		r := effective(20, 0) - 2*0.05*250
		tiny := 7e-6
		if mistake == "lost packets per report instead of percent (Asterisk MES, before the fix)" {
			tiny = 7e-7
		}
		return rate(t, 5, 10).MOS, 1 + 0.035*r + r*(r-60)*(100-r)*tiny
	},
	"M25": func(t *testing.T, _, condition string) (float64, float64) {
		loss := after(t, condition, "loss")
		wrong := 2.5
		for _, step := range []struct{ below, mos float64 }{{5, 4.5}, {10, 4}, {20, 3.5}, {50, 3}} {
			if loss < step.below {
				wrong = step.mos
				break
			}
		}
		return rate(t, loss, 0).MOS, wrong
	},
	"M26": func(t *testing.T, _, condition string) (float64, float64) {
		loss := after(t, condition, "loss")
		return rate(t, loss, 0).MOS, cubic(100 - loss)
	},
	"M27": func(t *testing.T, _, condition string) (float64, float64) {
		loss := after(t, condition, "loss")
		return rate(t, loss, 0).MOS, 5 * math.Exp(-4*loss/100)
	},
	"M28": func(t *testing.T, _, _ string) (float64, float64) {
		return (rate(t, 0, 0).MOS + rate(t, 20, 0).MOS) / 2, rate(t, 10, 0).MOS
	},
}

// The traps of measuring.md that are not rows of the file.
func TestScoreDoesNotRiseWithDelayBeyondASecond(t *testing.T) {
	last := math.Inf(1)
	for d := time.Duration(0); d < time.Minute; d += 97 * time.Millisecond {
		s := Rate(Codec{}, Path{Delay: d})
		if s.R > last {
			t.Fatalf("R rises to %v at %v", s.R, d)
		}
		last = s.R
	}
	if got := Rate(Codec{}, Path{Delay: math.MaxInt64}).DelayCost; got < 49 || got > 50 {
		t.Errorf("cost of an endless delay: got %v, want nearly 50", got)
	}
}
