package audio

import "math"

// The constants of ITU-T P.56, method B.
const (
	smoothing = 0.03 // time constant of the envelope, seconds
	hangover  = 0.2  // how long speech lasts after its envelope has fallen, seconds
	margin    = 15.9 // dB between the active level and the threshold of activity
)

// thresholds is how many thresholds the meter counts with, each half of the one
// before: one for each bit of a 16-bit sample.
const thresholds = 15

// meter is the active speech level meter of ITU-T P.56, method B: the long-term
// power divided by the share of the time in which there is speech. Speech is
// where the envelope is above a threshold, and what the threshold must be
// follows from the level itself; so the meter counts with all of them at once.
type meter struct {
	decay  float64 // of the envelope, per sample
	hang   int     // hangover, in samples
	p, q   float64 // two stages of smoothing
	energy float64 // sum of squares
	n      int
	// The highest threshold that the envelope was above within the hangover is
	// the sample's; those under it are then active too.
	highest int
	last    [thresholds + 1]int // when the envelope was last between a threshold and the one above
	counts  [thresholds + 1]int // samples by their highest threshold; the last: none
}

func newMeter(rate int) *meter {
	m := &meter{
		decay:   math.Exp(-1 / (smoothing * float64(rate))),
		hang:    int(hangover * float64(rate)),
		highest: thresholds,
	}
	for j := range m.last {
		m.last[j] = -m.hang - 1
	}
	return m
}

// add takes in samples, full scale 1.
func (m *meter) add(samples []float32) {
	rise := 1 - m.decay
	for _, s := range samples {
		x := float64(s)
		m.energy += x * x
		m.p = m.decay*m.p + rise*math.Abs(x)
		m.q = m.decay*m.q + rise*m.p
		j := band(m.q)
		m.last[j] = m.n
		m.highest = min(m.highest, j)
		for m.highest < j && m.n-m.last[m.highest] > m.hang {
			m.highest++
		}
		m.counts[m.highest]++
		m.n++
	}
}

// band is the highest threshold, 2 to the -j, that a value is not under.
func band(q float64) int {
	exponent := int(math.Float64bits(q)>>52) - 1023 // q is not negative
	return min(max(-exponent, 0), thresholds)
}

// activity is how many samples are speech; 0 if there is none.
//
// With a rising threshold the activity falls, and so the level that it gives
// rises. The level is read where it lies the margin above its threshold, between
// two thresholds on a straight line.
func (m *meter) activity() float64 {
	var lastLevel, lastOver float64
	active := 0
	for j := range thresholds {
		if active += m.counts[j]; active == 0 {
			continue
		}
		level := decibels(m.energy / float64(active))
		over := level + 20*math.Log10(2)*float64(j) - margin
		if over >= 0 {
			if lastOver < 0 {
				level = lastLevel + (level-lastLevel)*lastOver/(lastOver-over)
			}
			return m.energy / math.Pow(10, level/10)
		}
		lastLevel, lastOver = level, over
	}
	return 0
}

// decibels of a power ratio.
func decibels(power float64) float64 { return 10 * math.Log10(power) }
