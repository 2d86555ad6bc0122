package selftest

import (
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

func ms(values ...float64) []time.Duration {
	list := make([]time.Duration, len(values))
	for i, v := range values {
		list[i] = time.Duration(v * float64(time.Millisecond))
	}
	return list
}

func upTo(n int) []time.Duration {
	var list []time.Duration
	for i := n; i > 0; i-- { // falling, so that sorting shows
		list = append(list, time.Duration(i)*time.Millisecond)
	}
	return list
}

func TestSpreadOf(t *testing.T) {
	tests := []struct {
		name   string
		values []time.Duration
		want   Spread // in ms
	}{
		{"no call has no spread", nil, Spread{}},
		{"of one call everything is its figure", ms(3), Spread{3, 3, 3}},
		{"of two calls the worse one counts", ms(1, 5), Spread{5, 5, 5}},
		{"of nineteen calls none may be left out", upTo(19), Spread{10, 19, 19}},
		{"of twenty calls one may", upTo(20), Spread{11, 20, 19}},
		{"of a hundred calls five may", upTo(100), Spread{51, 100, 95}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := SpreadOf(tt.values)
			want := Spread{tt.want.Median * time.Millisecond, tt.want.Worst * time.Millisecond, tt.want.Most * time.Millisecond}
			if got != want {
				t.Errorf("got %+v want %+v", got, want)
			}
		})
	}
}

// tried is a burst of n calls that was carried or not.
func tried(n int, carried bool) Loopback {
	l := Loopback{Calls: n, Noise: Spread{Most: NoiseLimit}}
	if !carried {
		l.Noise.Most++
	}
	return l
}

func TestCarried(t *testing.T) {
	good := tried(10, true)
	failed, untrusted := good, good
	failed.Failed = 1
	untrusted.Untrusted = 1
	noisy := tried(10, false)
	for name, tt := range map[string]struct {
		l    *Loopback
		want bool
	}{
		"noise at the limit is carried":         {&good, true},
		"noise above the limit is not":          {&noisy, false},
		"a failed call is not":                  {&failed, false},
		"a call that cannot be trusted is not ": {&untrusted, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tt.l.carried(); got != tt.want {
				t.Errorf("got %v want %v", got, tt.want)
			}
		})
	}
}

func TestBounds(t *testing.T) {
	tests := []struct {
		name           string
		tried          []Loopback
		carried, above int
		consistent     bool
	}{
		{"nothing was tried", nil, 0, 0, true},
		{"all was carried", []Loopback{tried(1, true), tried(50, true), tried(200, true)}, 200, 0, true},
		{"the most was too much", []Loopback{tried(1, true), tried(50, true), tried(200, false)}, 50, 200, true},
		{"the least was too much", []Loopback{tried(1, false), tried(50, false)}, 0, 1, true},
		{"fewer calls went worse than more", []Loopback{tried(1, true), tried(50, false), tried(200, true)}, 200, 50, false},
		{"a number was carried once and once not", []Loopback{tried(50, true), tried(50, false)}, 50, 50, false},
		{"the order of trying does not count", []Loopback{tried(200, false), tried(1, true), tried(100, false), tried(50, true)}, 50, 100, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			carried, above, consistent := bounds(tt.tried)
			if carried != tt.carried || above != tt.above || consistent != tt.consistent {
				t.Errorf("got %d, %d, %v want %d, %d, %v", carried, above, consistent, tt.carried, tt.above, tt.consistent)
			}
		})
	}
}

func TestNextLevel(t *testing.T) {
	tests := []struct {
		name                       string
		carried, above, most, want int
	}{
		{"while all is carried it goes up by half", 200, 0, 1000, 300},
		{"from one call too", 1, 0, 1000, 2},
		{"up to the most that it may place", 800, 0, 1000, 1000},
		{"and then it is over", 1000, 0, 1000, 0},
		{"between carried and too many it takes the middle", 50, 200, 1000, 125},
		{"until they are close", 100, 120, 1000, 0},
		{"and no sooner", 100, 121, 1000, 110},
		{"two neighbours have nothing between them", 1, 2, 1000, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := nextLevel(tt.carried, tt.above, tt.most); got != tt.want {
				t.Errorf("got %d want %d", got, tt.want)
			}
		})
	}
}

// Whatever a host carries, the search ends, and within the step that it
// promises.
func TestSearchEnds(t *testing.T) {
	for limit := 1; limit <= 1000; limit++ {
		carried, above, steps := 1, 0, 0
		for next := nextLevel(carried, above, 1000); next != 0; next = nextLevel(carried, above, 1000) {
			if next <= carried || above > 0 && next >= above {
				t.Fatalf("limit %d: tries %d between %d and %d", limit, next, carried, above)
			}
			if next <= limit {
				carried = next
			} else {
				above = next
			}
			if steps++; steps > 40 {
				t.Fatalf("limit %d: still searching after %d steps", limit, steps)
			}
		}
		if carried > limit || above > 0 && above <= limit {
			t.Fatalf("limit %d: found %d to %d", limit, carried, above)
		}
		if above > 0 && float64(above) > closeEnough*float64(carried) && above-carried > 1 {
			t.Fatalf("limit %d: ends with %d to %d", limit, carried, above)
		}
	}
}

func TestCapacityWithoutASearch(t *testing.T) {
	tests := []struct {
		name  string
		tried []Loopback
		want  string
	}{
		{"a host that is too noisy for one call", []Loopback{tried(1, false), tried(50, false)},
			"unknown (its own noise is over the limit with the fewest calls)"},
		{"a host on which figures contradict each other", []Loopback{tried(1, true), tried(50, false), tried(200, true)},
			"unknown (more calls went better than fewer: other work on this host disturbs the test)"},
		{"a host that carries all, with the time over", []Loopback{tried(1, true), tried(200, true)},
			">= 200 (the time of the test was over)"},
		{"a host that carries as much as may be placed", []Loopback{tried(1, true), tried(1000, true)},
			">= 1000 (the test places no more)"},
		{"a host that is between, with the time over", []Loopback{tried(50, true), tried(200, false)},
			">= 50 and < 200 (the time of the test was over)"},
		{"a host that carries one call and not two", []Loopback{tried(1, true), tried(2, false)},
			"1 (2 were too many)"},
		{"a host whose limit is known", []Loopback{tried(100, true), tried(118, false)},
			"100 (118 were too many)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &test{Config: Config{}.withDefaults(), end: mono.Now()}
			s.report.Loopback = tt.tried
			if err := s.search(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.report.Capacity.String(); got != tt.want {
				t.Errorf("got %q want %q", got, tt.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	untrusted := tried(1, true)
	untrusted.Untrusted, untrusted.Reasons = 1, []string{"2 of 50 send slots were missed, 1 % is the limit"}
	failed := tried(1, true)
	failed.Failed = 1
	tests := []struct {
		name    string
		first   Loopback
		trusted bool
		reasons int
		fails   bool
	}{
		{"a quiet call makes the host trusted", tried(1, true), true, 0, false},
		{"a noisy call does not", tried(1, false), false, 1, false},
		{"a call that cannot be trusted does not, for its own reasons", untrusted, false, 1, false},
		{"a call that fails is an error", failed, false, 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &test{}
			s.report.Loopback = []Loopback{tt.first, tried(50, false)}
			err := s.judge()
			if (err != nil) != tt.fails || s.report.Trusted != tt.trusted || len(s.report.Reasons) != tt.reasons {
				t.Errorf("got %v, %v, %q", err, s.report.Trusted, s.report.Reasons)
			}
		})
	}
}
