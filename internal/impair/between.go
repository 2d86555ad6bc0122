package impair

import "time"

// Between is the profile on the way from one to another, at share 0..1 of it:
// its quantities change in a straight line. What is no quantity (distribution,
// overtaking, outage, seed) is that of to; so are rate and burst where one side
// has none.
func Between(from, to Profile, share float64) Profile {
	share = min(max(share, 0), 1)
	p := to
	p.Loss = mixed(from.Loss, to.Loss, share)
	p.Delay = mixedTime(from.Delay, to.Delay, share)
	p.Jitter = mixedTime(from.Jitter, to.Jitter, share)
	p.Reorder = mixed(from.Reorder, to.Reorder, share)
	p.Duplicate = mixed(from.Duplicate, to.Duplicate, share)
	if from.Burst != 0 && to.Burst != 0 {
		p.Burst = mixed(from.Burst, to.Burst, share)
	}
	if from.Rate != 0 && to.Rate != 0 {
		p.Rate = int64(mixed(float64(from.Rate), float64(to.Rate), share))
	}
	return p
}

func mixed(from, to, share float64) float64 {
	if share == 1 {
		return to
	}
	return from + (to-from)*share
}

func mixedTime(from, to time.Duration, share float64) time.Duration {
	return time.Duration(mixed(float64(from), float64(to), share))
}
