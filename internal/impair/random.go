package impair

import (
	"math"
	"strings"
	"time"
)

// lane separates the random decisions about one packet, so that turning one of
// them on does not change the others.
type lane int

const (
	laneLoss lane = iota
	laneDelay
	laneHold
	laneDuplicate
	laneCopyDelay
	lanes
)

// golden is 2^64 divided by the golden ratio, made odd.
const golden = 0x9e3779b97f4a7c15

// random answers for any packet by its index, so that a fate depends on nothing
// that happened before. It is SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), one
// sequence for each lane, read at place index.
type random [lanes]uint64

func newRandom(seed uint64) random {
	var r random
	for l := range r {
		r[l] = mix(mix(seed+golden) + uint64(l)*golden)
	}
	return r
}

// draw is even on [0, 1).
func (r *random) draw(l lane, index uint64) float64 {
	return float64(mix(r[l]+(index+1)*golden)>>11) * 0x1p-53
}

func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Dist is the distribution of the delay that jitter adds. All start at nothing
// and have the profile's Jitter as standard deviation.
type Dist uint8

// The distributions. J is the profile's Jitter.
const (
	Exponential Dist = iota // mean J: a queue that is mostly short
	Uniform                 // 0 to 3.46 J
	Normal                  // a bell around 3.04 J, cut off at 0 and 6.08 J
	Pareto                  // mean 0.63 J, tail of index 3 up to 26 J: rare, long spikes
)

var distText = [...]string{Exponential: "exponential", Uniform: "uniform", Normal: "normal", Pareto: "pareto"}

// String is the word that the text form uses.
func (d Dist) String() string {
	if int(d) < len(distText) {
		return distText[d]
	}
	return "unknown"
}

func distNames() string { return strings.Join(distText[:], "|") }

// Shapes of the distributions before they are brought to a deviation of 1.
const (
	bellCut     = 3.0
	paretoIndex = 3.0
	paretoTail  = 1e-4 // share of the tail that is cut off
)

var (
	bellShare  = math.Erf(bellCut / math.Sqrt2)
	bellDev    = math.Sqrt(1 - 2*bellCut*math.Exp(-bellCut*bellCut/2)/math.Sqrt(2*math.Pi)/bellShare)
	paretoDev  = math.Sqrt(paretoMoment(2) - paretoMoment(1)*paretoMoment(1))
	uniformTop = math.Sqrt(12)
)

// paretoMoment is the mean of s^(-k/index) for s even on (tail, 1].
func paretoMoment(k float64) float64 {
	e := 1 - k/paretoIndex
	return (1 - math.Pow(paretoTail, e)) / e / (1 - paretoTail)
}

// spread turns u, even on [0, 1), into an added delay in units of the jitter.
func (d Dist) spread(u float64) float64 {
	switch d {
	case Uniform:
		return u * uniformTop
	case Normal:
		return (bellCut + math.Sqrt2*math.Erfinv((2*u-1)*bellShare)) / bellDev
	case Pareto:
		return (math.Pow(1-u*(1-paretoTail), -1/paretoIndex) - 1) / paretoDev
	default:
		return -math.Log(1 - u)
	}
}

// added is the delay that jitter adds for u. Whole microseconds hide the last
// bit of floating point, in which processors differ.
func (p *Profile) added(u float64) time.Duration {
	if p.Jitter <= 0 {
		return 0
	}
	return time.Duration(p.Dist.spread(u)*float64(p.Jitter)/1e3+0.5) * time.Microsecond
}
