package impair

import (
	"testing"
	"time"
)

func TestBetweenGoesInAStraightLine(t *testing.T) {
	from := Profile{Loss: 0.02, Burst: 2, Delay: 20 * time.Millisecond, Rate: 100_000}
	to := Profile{Loss: 0.1, Burst: 6, Delay: 100 * time.Millisecond, Jitter: 40 * time.Millisecond, Dist: Pareto, Rate: 60_000, Seed: 3}
	for _, row := range []struct {
		share float64
		want  Profile
	}{
		{-1, Profile{Loss: 0.02, Burst: 2, Delay: 20 * time.Millisecond, Dist: Pareto, Rate: 100_000, Seed: 3}},
		{0.25, Profile{Loss: 0.04, Burst: 3, Delay: 40 * time.Millisecond, Jitter: 10 * time.Millisecond, Dist: Pareto, Rate: 90_000, Seed: 3}},
		{1, to},
		{2, to},
	} {
		if got := Between(from, to, row.share); got != row.want {
			t.Errorf("at %v: got %v, want %v", row.share, got, row.want)
		}
	}
}

func TestBetweenTakesWhatOnlyOneSideHas(t *testing.T) {
	got := Between(Profile{}, Profile{Loss: 0.5, Burst: 4, Rate: 64_000}, 0.5)
	if want := (Profile{Loss: 0.25, Burst: 4, Rate: 64_000}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}
