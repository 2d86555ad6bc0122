package rtpflow

import (
	"math/rand/v2"
	"testing"
)

// A map is what the transit times are to be, whatever order they come in.
func TestTransitsAreAMapOfWhatIsNotFinal(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 9))
		kept := transits{position: -1}
		want := map[int64]int64{}
		count, final := int64(0), int64(0)
		orderly := seed%4 == 0 // each is final before the next is known
		for range 5000 {
			if count-final == ringBits {
				final++
			}
			kept.forget(count)
			count++
			switch {
			case orderly && rng.IntN(10) > 0:
				over := rng.Int64N(1<<30) - 1<<29
				kept.keep(count-1, over, final)
				want[count-1] = over
			case !orderly:
				position := final + rng.Int64N(count-final)
				over := rng.Int64N(1<<40) - 1<<39
				kept.keep(position, over, final)
				want[position] = min(max(over, -34e9), 34e9)
			}
			for orderly && final < count || final < count && rng.IntN(3) > 0 {
				over, known := kept.of(final)
				w, wanted := want[final]
				if known != wanted || known && !near(float64(min(max(over, -34e9), 34e9)), float64(w), 1<<transitUnit) {
					t.Fatalf("seed %d, position %d of %d: got %d, %v, want %d, %v", seed, final, count, over, known, w, wanted)
				}
				final++
			}
		}
		if (kept.ring == nil) != orderly {
			t.Errorf("seed %d: a ring was allocated: %v, want %v", seed, kept.ring != nil, !orderly)
		}
	}
}
