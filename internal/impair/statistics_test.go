package impair

import (
	"math"
	"slices"
	"testing"
	"time"
)

// sure is how many standard deviations a fixed seed may be off: by chance less
// than once in 100 000 tries.
const sure = 4.5

func within(t *testing.T, what string, got, want, deviation float64) {
	t.Helper()
	if math.Abs(got-want) > sure*deviation {
		t.Errorf("%s: got %.6g want %.6g ± %.2g", what, got, want, sure*deviation)
	}
}

// losses runs n packets at 20 ms and returns which were lost at random.
func losses(t *testing.T, p Profile, n int) []bool {
	t.Helper()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	l := NewLink(p)
	lost := make([]bool, n)
	for i := range lost {
		lost[i] = l.Packet(time.Duration(i)*20*time.Millisecond, 172).Cause == Lost
	}
	return lost
}

// runs returns the lengths of the runs of v that both begin and end inside.
func runs(lost []bool, v bool) []int {
	var all []int
	length, begun := 0, false
	for i, l := range lost {
		switch {
		case l == v:
			length++
		case length > 0:
			if begun {
				all = append(all, length)
			}
			length = 0
		}
		if i > 0 && lost[i-1] != l {
			begun = true
		}
	}
	return all
}

func count(lost []bool) (n float64) {
	for _, l := range lost {
		if l {
			n++
		}
	}
	return n
}

func TestIndependentLossIsBinomial(t *testing.T) {
	const n = 100_000
	for seed := range uint64(2) {
		for _, p := range []float64{0.001, 0.03, 0.3, 0.9} {
			lost := losses(t, Profile{Loss: p, Seed: seed}, n)
			within(t, "losses", count(lost), n*p, math.Sqrt(n*p*(1-p)))
			for _, lag := range []int{1, 2, 7} {
				var both float64
				for i := lag; i < n; i++ {
					if lost[i] && lost[i-lag] {
						both++
					}
				}
				// The pairs overlap, which adds a covariance between a pair and
				// the two that share a packet with it.
				pp := p * p
				variance := n * (pp*(1-pp) + 2*(p*pp-pp*pp))
				within(t, "pairs of losses", both, float64(n-lag)*pp, math.Sqrt(variance))
			}
		}
	}
}

func TestLossOfNothingAndOfEverything(t *testing.T) {
	if got := count(losses(t, Profile{Burst: 4}, 10_000)); got != 0 {
		t.Errorf("no loss: %v packets lost", got)
	}
	if got := count(losses(t, Profile{Loss: 1, Burst: 1}, 10_000)); got != 10_000 {
		t.Errorf("total loss: %v of 10000 packets lost", got)
	}
}

// Theory of the two-state chain: the state's autocorrelation is
// g = 1 - enter - leave, so the variance of the mean of n states is
// p (1-p) (1+g) / (1-g) / n; runs are geometric with mean 1/leave.
func TestBurstLossIsAChainWithTheGivenRun(t *testing.T) {
	const n = 150_000
	for seed := range uint64(2) {
		for _, c := range []struct{ loss, burst float64 }{{0.03, 4}, {0.02, 2}, {0.01, 1.5}, {0.5, 20}, {0.6, 1.5}, {0.2, 1.01}} {
			lost := losses(t, Profile{Loss: c.loss, Burst: c.burst, Seed: seed}, n)
			leave := 1 / c.burst
			enter := c.loss * leave / (1 - c.loss)
			g := 1 - enter - leave
			within(t, "loss ratio", count(lost)/n, c.loss, math.Sqrt(c.loss*(1-c.loss)*(1+g)/(1-g)/n))

			geometric := func(what string, lengths []int, leave float64) {
				var sum float64
				for _, r := range lengths {
					sum += float64(r)
				}
				m := float64(len(lengths))
				within(t, what, sum/m, 1/leave, math.Sqrt((1-leave)/m)/leave)
				var one float64
				for _, r := range lengths {
					if r == 1 {
						one++
					}
				}
				within(t, what+", share of single ones", one/m, leave, math.Sqrt(leave*(1-leave)/m))
			}
			geometric("run of losses", runs(lost, true), leave)
			geometric("run of arrivals", runs(lost, false), enter)
		}
	}
}

// The chain begins as if it had run forever: over many seeds, the first packet
// is lost as often as any other.
func TestFirstPacketIsLostAsOftenAsAnyOther(t *testing.T) {
	const seeds = 20_000
	p := 0.2
	var first, tenth float64
	for seed := range uint64(seeds) {
		l := NewLink(Profile{Loss: p, Burst: 5, Seed: seed})
		for i := range 10 {
			lost := l.Packet(0, 0).Cause == Lost
			if lost && i == 0 {
				first++
			}
			if lost && i == 9 {
				tenth++
			}
		}
	}
	deviation := math.Sqrt(seeds * p * (1 - p))
	within(t, "first packet", first, seeds*p, deviation)
	within(t, "tenth packet", tenth, seeds*p, deviation)
}

// quantiles of the four distributions before scaling, written from their
// textbook forms; the scale is found by numeric integration.
var quantiles = map[Dist]func(u float64) float64{
	Exponential: func(u float64) float64 { return math.Log(1 / (1 - u)) },
	Uniform:     func(u float64) float64 { return u },
	Normal: func(u float64) float64 { // bisection on the distribution function
		cdf := func(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }
		u = cdf(-3) + u*(cdf(3)-cdf(-3))
		low, high := -3.0, 3.0
		for range 60 {
			if mid := (low + high) / 2; cdf(mid) < u {
				low = mid
			} else {
				high = mid
			}
		}
		return low + 3
	},
	Pareto: func(u float64) float64 { return math.Cbrt(1/(1-u*0.9999)) - 1 },
}

func TestJitterHasItsDistribution(t *testing.T) {
	const n, steps = 100_000, 200_000
	const jitter = 20 * time.Millisecond
	for dist, quantile := range quantiles {
		t.Run(dist.String(), func(t *testing.T) {
			var sum, squares, fourth float64
			for i := range steps {
				x := quantile((float64(i) + 0.5) / steps)
				sum += x / steps
				squares += x * x / steps
			}
			deviation := math.Sqrt(squares - sum*sum)
			for i := range steps {
				z := (quantile((float64(i)+0.5)/steps) - sum) / deviation
				fourth += z * z * z * z / steps
			}
			scale := float64(jitter) / deviation

			l := NewLink(Profile{Jitter: jitter, Dist: dist, Overtake: true, Delay: 80 * time.Millisecond, Seed: 11})
			added := make([]float64, n)
			var mean, variance float64
			for i := range added {
				added[i] = float64(l.Packet(0, 0).Delay - 80*time.Millisecond)
				mean += added[i] / n
			}
			for _, d := range added {
				variance += (d - mean) * (d - mean) / n
			}
			within(t, "mean", mean, sum*scale, float64(jitter)/math.Sqrt(n))
			within(t, "variance in units of the jitter", variance/float64(jitter)/float64(jitter), 1, math.Sqrt((fourth-1)/n))

			// Kolmogorov-Smirnov against the quantiles; 2.2/sqrt(n) is passed
			// by chance once in 8000.
			slices.Sort(added)
			if added[0] < 0 {
				t.Errorf("a packet arrived %v ns early", -added[0])
			}
			for i := 0; i < n; i += 97 {
				low := quantile(max(0, float64(i)/n-2.2/math.Sqrt(n)))
				high := quantile(min(1-1e-12, float64(i+1)/n+2.2/math.Sqrt(n)))
				if added[i] < low*scale-500 || added[i] > high*scale+500 {
					t.Fatalf("quantile %.4f: got %v ns want %.0f to %.0f", float64(i)/n, added[i], low*scale, high*scale)
				}
			}
		})
	}
}

func TestDuplicatesAndHeldPacketsAreBinomial(t *testing.T) {
	const n = 100_000
	l := NewLink(Profile{Loss: 0.1, Duplicate: 0.01, Reorder: 0.02, Hold: 50 * time.Millisecond, Delay: 10 * time.Millisecond, Seed: 3})
	var delivered, duplicated, held float64
	for i := range n {
		f := l.Packet(time.Duration(i)*20*time.Millisecond, 172)
		if f.Cause != Delivered {
			if f.Duplicated {
				t.Fatalf("packet %d is lost and duplicated", i)
			}
			continue
		}
		delivered++
		if f.Duplicated {
			duplicated++
			if f.CopyDelay != f.Delay {
				t.Fatalf("packet %d: without jitter the copy takes %v and the packet %v", i, f.CopyDelay, f.Delay)
			}
		}
		switch f.Delay {
		case 10 * time.Millisecond:
		case 60 * time.Millisecond:
			held++
		default:
			t.Fatalf("packet %d: got a delay of %v want 10ms or 60ms", i, f.Delay)
		}
	}
	within(t, "delivered", delivered, n*0.9, math.Sqrt(n*0.09))
	within(t, "duplicated", duplicated, delivered*0.01, math.Sqrt(delivered*0.01*0.99))
	within(t, "held", held, delivered*0.02, math.Sqrt(delivered*0.02*0.98))
}

// With seeds 1 and 2, or one seed for two kinds of decision, one says nothing
// about the other.
func TestDecisionsAreIndependentOfEachOther(t *testing.T) {
	const n = 200_000
	half := func(r random, l lane) []bool {
		v := make([]bool, n)
		for i := range v {
			v[i] = r.draw(l, uint64(i)) < 0.5
		}
		return v
	}
	var all [][]bool
	for seed := range uint64(3) {
		for l := range lanes {
			all = append(all, half(newRandom(seed), l))
		}
	}
	for a := range all {
		within(t, "share of ones", count(all[a]), n/2, math.Sqrt(n)/2)
		for b := range a {
			var same float64
			for i := range n {
				if all[a][i] == all[b][i] {
					same++
				}
			}
			within(t, "agreement", same, n/2, math.Sqrt(n)/2)
		}
	}
}

// The first numbers of SplitMix64 from 0, as published with the algorithm.
func TestGeneratorIsSplitMix64(t *testing.T) {
	want := []uint64{0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec}
	for i, w := range want {
		var r random
		if got := r.draw(laneLoss, uint64(i)); got != float64(w>>11)/(1<<53) {
			t.Errorf("number %d: got %v want %v", i, got, float64(w>>11)/(1<<53))
		}
	}
}
