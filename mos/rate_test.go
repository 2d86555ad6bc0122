package mos

import (
	"fmt"
	"math"
	"math/rand"
	"reflect"
	"slices"
	"testing"
	"testing/quick"
	"time"
)

// slack is what rounding may do to a sum of a few terms.
const slack = 1e-9

// call is a random codec on a random path, drawn by testing/quick. One in four
// has wild values.
type call struct {
	codec Codec
	path  Path
}

var published = Codecs()

// Generate implements quick.Generator.
func (call) Generate(r *rand.Rand, _ int) reflect.Value {
	c := call{
		codec: published[r.Intn(len(published))],
		path: Path{
			Loss: math.Pow(r.Float64(), 3), BurstR: 1 + 7*r.Float64(), Delay: time.Duration(r.Int63n(int64(2 * time.Second))),
			Sensitivity: Sensitivity(r.Intn(3)), Advantage: 20 * r.Float64(),
		},
	}
	if r.Intn(4) == 0 {
		wild := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1e-300, 0.5, 1, 2, 95, 132, 1e9, math.MaxFloat64}
		pick := func() float64 { return wild[r.Intn(len(wild))] }
		c.codec.Scale, c.codec.Ie, c.codec.Bpl = Scale(r.Intn(5)), pick(), pick()
		c.path = Path{pick(), pick(), time.Duration(r.Uint64()), Sensitivity(r.Intn(5)), pick()}
	}
	return reflect.ValueOf(c)
}

// check runs a property over random calls.
func check(t *testing.T, property any) {
	t.Helper()
	seed := time.Now().UnixNano()
	random := rand.New(rand.NewSource(seed))
	if err := quick.Check(property, &quick.Config{MaxCount: 5000, Rand: random}); err != nil {
		t.Logf("seed %d", seed)
		t.Error(err)
	}
}

func TestScoreNeverRisesWithLoss(t *testing.T) {
	check(t, func(c call, more uint16) bool {
		worse := c.path
		worse.Loss += float64(more) / 65536
		return !rises(c, worse)
	})
}

func TestScoreNeverRisesWithBurstiness(t *testing.T) {
	check(t, func(c call, more uint8) bool {
		worse := c.path
		worse.BurstR += float64(more) / 32
		return !rises(c, worse)
	})
}

func TestScoreNeverRisesWithDelay(t *testing.T) {
	check(t, func(c call, more uint32) bool {
		worse := c.path
		worse.Delay += time.Duration(more)
		return worse.Delay < c.path.Delay || !rises(c, worse)
	})
}

func TestListeningIsNeverWorseThanConversation(t *testing.T) {
	check(t, func(c call) bool {
		talk, listen := Rate(c.codec, c.path), Listening(c.codec, c.path)
		return listen.MOS >= talk.MOS && listen.DelayCost == 0 &&
			math.Abs(listen.R-talk.R-talk.DelayCost) <= slack*(1+math.Abs(talk.R))
	})
}

// rises reports whether the score of the worse path is the higher one.
func rises(c call, worse Path) bool {
	a, b := Rate(c.codec, c.path), Rate(c.codec, worse)
	return !(b.R <= a.R+slack*(1+math.Abs(a.R))) || !(b.MOS <= a.MOS+slack)
}

func TestScoreStaysOnTheScaleAndIsExplainedByItsCosts(t *testing.T) {
	for s, want := range map[Scale]float64{NB: 93.206208, WB: 128.846315, FB: 148} {
		if math.Abs(s.Best()-want) > near {
			t.Errorf("best of %v: got %v, want %v", s, s.Best(), want)
		}
	}
	check(t, func(c call) bool {
		s := Rate(c.codec, c.path)
		sum := s.Scale.Best() - s.DelayCost - s.LossCost - s.CodecCost
		if s.Scale == NB && c.path.Advantage > 0 {
			sum += min(c.path.Advantage, 20)
		}
		return s.MOS >= 1 && s.MOS <= 4.5 && math.Abs(s.R-sum) <= slack*(1+math.Abs(s.R)) &&
			s.DelayCost >= 0 && s.LossCost >= 0 && s.CodecCost >= 0 &&
			s.DelayCost <= 50*s.Scale.Factor() && s.CodecCost <= 132
	})
}

func TestRateIsTheWholeModelAtItsDefaults(t *testing.T) {
	check(t, func(c call) bool {
		s := Rate(c.codec, c.path)
		var terms Terms
		switch s.Scale {
		case NB:
			terms = Narrowband{}.Terms(c.codec, c.path)
		case WB:
			terms = Wideband{}.Terms(c.codec, c.path)
		case FB:
			terms = FullbandTerms(c.codec, c.path)
		}
		return terms.Scale == s.Scale && math.Abs(terms.R-s.R) <= slack*(1+math.Abs(s.R)) &&
			math.Abs(terms.IeEff-s.LossCost-s.CodecCost) <= slack*(1+terms.IeEff) && terms.MOS() == s.Scale.MOS(terms.R)
	})
}

func TestInputsOutsideTheModelAreBroughtInside(t *testing.T) {
	g711, nan, inf := codec(t, "g711"), math.NaN(), math.Inf(1)
	lossy := Path{Loss: 0.05, BurstR: 2, Delay: 200 * time.Millisecond, Advantage: 5}
	with := func(change func(*Codec, *Path)) func() Score {
		return func() Score {
			c, p := g711, lossy
			change(&c, &p)
			return Rate(c, p)
		}
	}
	for _, c := range []struct {
		name      string
		got, want func() Score
	}{
		{"loss below 0 is none", with(func(_ *Codec, p *Path) { p.Loss = -0.1 }), with(func(_ *Codec, p *Path) { p.Loss = 0 })},
		{"loss above 1 is all", with(func(_ *Codec, p *Path) { p.Loss = 1.5 }), with(func(_ *Codec, p *Path) { p.Loss = 1 })},
		{"loss that is no number is all", with(func(_ *Codec, p *Path) { p.Loss = nan }), with(func(_ *Codec, p *Path) { p.Loss = 1 })},
		{"a burst ratio below 1 is random", with(func(_ *Codec, p *Path) { p.BurstR = 0.95 }), with(func(_ *Codec, p *Path) { p.BurstR = 1 })},
		{"no burst ratio is random", with(func(_ *Codec, p *Path) { p.BurstR = 0 }), with(func(_ *Codec, p *Path) { p.BurstR = 1 })},
		{"an undefined burst ratio is random", with(func(_ *Codec, p *Path) { p.BurstR = nan }), with(func(_ *Codec, p *Path) { p.BurstR = 1 })},
		{"a burst ratio above 8 is 8", with(func(_ *Codec, p *Path) { p.BurstR = 19 }), with(func(_ *Codec, p *Path) { p.BurstR = 8 })},
		{"an endless burst ratio is 8", with(func(_ *Codec, p *Path) { p.BurstR = inf }), with(func(_ *Codec, p *Path) { p.BurstR = 8 })},
		{"a negative delay is none", with(func(_ *Codec, p *Path) { p.Delay = -time.Second }), with(func(_ *Codec, p *Path) { p.Delay = 0 })},
		{"a negative advantage is none", with(func(_ *Codec, p *Path) { p.Advantage = -3 }), with(func(_ *Codec, p *Path) { p.Advantage = 0 })},
		{"an advantage that is no number is none", with(func(_ *Codec, p *Path) { p.Advantage = nan }), with(func(_ *Codec, p *Path) { p.Advantage = 0 })},
		{"an advantage above 20 is 20", with(func(_ *Codec, p *Path) { p.Advantage = 50 }), with(func(_ *Codec, p *Path) { p.Advantage = 20 })},
		{"an unknown delay class is the default", with(func(_ *Codec, p *Path) { p.Sensitivity = 9 }), with(func(*Codec, *Path) {})},
		{"a negative Ie is 0", with(func(c *Codec, _ *Path) { c.Ie = -5 }), with(func(c *Codec, _ *Path) { c.Ie = 0 })},
		{"an Ie above 95 is 95", with(func(c *Codec, _ *Path) { c.Ie = 200 }), with(func(c *Codec, _ *Path) { c.Ie = 95 })},
		{"an Ie that is no number is 95", with(func(c *Codec, _ *Path) { c.Ie = nan }), with(func(c *Codec, _ *Path) { c.Ie = 95 })},
		{"no Bpl is that of no concealment", with(func(c *Codec, _ *Path) { c.Bpl = 0 }), with(func(c *Codec, _ *Path) { c.Bpl = 4.3 })},
		{"a Bpl that is no number too", with(func(c *Codec, _ *Path) { c.Bpl = nan }), with(func(c *Codec, _ *Path) { c.Bpl = 4.3 })},
		{"a scale that does not exist is narrowband", with(func(c *Codec, _ *Path) { c.Scale = 7 }), with(func(c *Codec, _ *Path) { c.Scale = NB })},
		{"fullband has no advantage", with(func(c *Codec, _ *Path) { c.Scale = FB }), with(func(c *Codec, p *Path) { c.Scale, p.Advantage = FB, 0 })},
		{"wideband has no advantage", with(func(c *Codec, _ *Path) { c.Scale = WB }), with(func(c *Codec, p *Path) { c.Scale, p.Advantage = WB, 0 })},
		{"the bursty Bpl is not used", with(func(c *Codec, _ *Path) { c.BplBursty = 1 }), with(func(*Codec, *Path) {})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, want := c.got(), c.want(); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
	// Fullband has more room for Ie.
	if got := Rate(Codec{Scale: FB, Ie: 200}, Path{}).CodecCost; got != 132 {
		t.Errorf("fullband Ie: got %v, want 132", got)
	}
}

func TestRateDoesNotAllocate(t *testing.T) {
	all := Codecs()
	p := Path{Loss: 0.02, BurstR: 2, Delay: 180 * time.Millisecond}
	var sum float64
	allocs := testing.AllocsPerRun(100, func() {
		for _, c := range all {
			sum += Rate(c, p).R + Listening(c, p).MOS + Interval(c, p, 3, 100).MOSLow
		}
	})
	if allocs != 0 || sum == 0 {
		t.Errorf("got %v allocations", allocs)
	}
}

func FuzzRate(f *testing.F) {
	f.Add(uint8(0), 0.0, 25.1, 0.02, 1.5, int64(150e6), uint8(0), 0.0)
	f.Add(uint8(1), 95.0, math.SmallestNonzeroFloat64, 1.0, 8.0, int64(math.MaxInt64), uint8(2), 20.0)
	f.Add(uint8(2), math.NaN(), math.Inf(1), math.NaN(), math.NaN(), int64(-1), uint8(9), math.NaN())
	f.Fuzz(func(t *testing.T, scale uint8, ie, bpl, loss, burst float64, delay int64, class uint8, advantage float64) {
		c := Codec{Scale: Scale(scale), Ie: ie, Bpl: bpl}
		p := Path{Loss: loss, BurstR: burst, Delay: time.Duration(delay), Sensitivity: Sensitivity(class), Advantage: advantage}
		s := Rate(c, p)
		if !(s.MOS >= 1 && s.MOS <= 4.5) || math.IsNaN(s.R) || math.IsInf(s.R, 0) || s.LossCost < 0 {
			t.Errorf("%+v on %+v: got %+v", c, p, s)
		}
		if s.Category() > ConnectionNotRecommended || s.Scale.GoodOrBetter(s.R) > 1 || s.Scale.PoorOrWorse(s.R) < 0 {
			t.Errorf("%+v: bad category or shares", s)
		}
	})
}

func TestMOSNeverFallsWhenTheRatingRises(t *testing.T) {
	for s := range Scale(3) {
		last := 0.0
		for r := -10.0; r < 160; r += 0.001 {
			m := s.MOS(r)
			if m < last || m < 1 || m > 4.5 {
				t.Fatalf("%v: MOS of R %v is %v after %v", s, r, m, last)
			}
			last = m
		}
		if last != 4.5 || s.MOS(0) != 1 || s.MOS(math.NaN()) != 1 || s.MOS(math.Inf(1)) != 4.5 || s.MOS(math.Inf(-1)) != 1 {
			t.Errorf("%v: wrong ends", s)
		}
	}
}

func TestCategories(t *testing.T) {
	for _, c := range []struct {
		r    float64
		want string
	}{
		{93.2, "very satisfied"}, {90, "very satisfied"}, {89.999, "satisfied"}, {80, "satisfied"},
		{79.9, "some users dissatisfied"}, {70, "some users dissatisfied"},
		{69.9, "many users dissatisfied"}, {60, "many users dissatisfied"},
		{59.9, "nearly all users dissatisfied"}, {50, "nearly all users dissatisfied"},
		{49.9, "not recommended"}, {-200, "not recommended"}, {math.NaN(), "not recommended"},
	} {
		if got := NB.Category(c.r).String(); got != c.want {
			t.Errorf("R %v: got %q, want %q", c.r, got, c.want)
		}
		for s, factor := range map[Scale]float64{WB: 1.29, FB: 1.48} {
			// A hair above, since 90 * 1.29 / 1.29 need not be 90.
			if got := s.Category(c.r*factor + 1e-9).String(); got != c.want {
				t.Errorf("%v R %v: got %q, want %q", s, c.r*factor, got, c.want)
			}
		}
	}
	if got := Rate(codec(t, "g711"), Path{Loss: 0.05}).Category(); got != SomeDissatisfied {
		t.Errorf("R 77.4: got %v", got)
	}
	if got := Category(77).String(); got != "not recommended" {
		t.Errorf("no such category: got %q", got)
	}
}

func TestSharesOfUsersOnTheOtherScalesAreThoseOfTheStretchedRating(t *testing.T) {
	for s, factor := range map[Scale]float64{WB: 1.29, FB: 1.48} {
		// 73.40 % and 5.91 %: Table B.1 of G.107 at R 70.
		if got := 100 * s.GoodOrBetter(70*factor); math.Abs(got-73.401447) > near {
			t.Errorf("%v good or better: got %v", s, got)
		}
		if got := 100 * s.PoorOrWorse(70*factor); math.Abs(got-5.908512) > near {
			t.Errorf("%v poor or worse: got %v", s, got)
		}
	}
}

func TestNamesAreReadAndWritten(t *testing.T) {
	for s := range Scale(3) {
		text, err := s.MarshalText()
		var back Scale
		if err != nil || back.UnmarshalText(text) != nil || back != s {
			t.Errorf("%v: got %q, back %v", s, text, back)
		}
	}
	for c := range Sensitivity(3) {
		if got, err := ParseSensitivity(c.String()); got != c || err != nil {
			t.Errorf("%v: got %v, %v", c, got, err)
		}
	}
	want := []string{"nb", "wb", "fb", "default", "low", "very-low", "vbr", "cbr"}
	got := []string{NB.String(), WB.String(), FB.String(), DefaultSensitivity.String(), LowSensitivity.String(),
		VeryLowSensitivity.String(), VBR.String(), CBR.String()}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if s, err := ParseScale("SWB"); err == nil || s != NB {
		t.Errorf("SWB: got %v, %v", s, err)
	}
	if _, err := ParseSensitivity("high"); err == nil {
		t.Error("high is taken for a class")
	}
	if s := WB; s.UnmarshalText([]byte("xx")) == nil || s != WB {
		t.Errorf("xx: got %v", s)
	}
}

func BenchmarkRate(b *testing.B) {
	random := rand.New(rand.NewSource(1))
	paths := make([]Path, 1024)
	for i := range paths {
		paths[i] = Path{Loss: random.Float64() / 10, BurstR: 1 + random.Float64(), Delay: time.Duration(random.Int63n(4e8))}
	}
	for _, c := range []Codec{Codecs()[0], {Name: "wb", Scale: WB, Ie: 20, Bpl: 10}} {
		b.Run(fmt.Sprint(c.Name), func(b *testing.B) {
			b.ReportAllocs()
			i, sum := 0, 0.0
			for b.Loop() {
				sum += Rate(c, paths[i%len(paths)]).MOS
				i++
			}
			if sum == 0 {
				b.Fatal("no score")
			}
		})
	}
}
