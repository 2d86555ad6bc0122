package probe

import (
	"strings"
	"testing"
	"time"
)

const frame = 20 * time.Millisecond

func TestWhenACallIsNotTrusted(t *testing.T) {
	for name, row := range map[string]struct {
		self  Self
		sent  int64
		doubt string // part of the reason; empty: trusted
	}{
		"a quiet host":                                {Self{SendLate: Quantiles{Count: 500, P99: 200 * time.Microsecond}}, 500, ""},
		"p99 at half a frame is still trusted":        {Self{SendLate: Quantiles{Count: 500, P99: frame / 2}}, 500, ""},
		"p99 over half a frame is not":                {Self{SendLate: Quantiles{Count: 500, P99: frame/2 + time.Microsecond}}, 500, "left more than"},
		"1 % of slots missed is still trusted":        {Self{SlotsMissed: 1}, 99, ""},
		"over 1 % of slots missed is not":             {Self{SlotsMissed: 2}, 98, "2 of 100 send slots"},
		"one packet dropped at our own socket is not": {Self{SocketDrops: 1}, 500, "dropped 1 packets"},
		"nothing sent, nothing wrong":                 {Self{}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(Trust{}.withDefaults(frame).doubts(&row.self, row.sent), "; ")
			if (got == "") != (row.doubt == "") || !strings.Contains(got, row.doubt) {
				t.Errorf("got %q, want %q in it", got, row.doubt)
			}
		})
	}
}

func TestWhenAWindowIsNotTrusted(t *testing.T) {
	trust := Trust{}.withDefaults(frame)
	w := windowNoise{limit: trust.SendLate}
	run := func(packets, late int, missed int64) noise {
		for i := range packets {
			lateness := time.Millisecond
			if i < late {
				lateness = frame/2 + 1
			}
			m := int64(0)
			if i == 0 {
				m = missed
			}
			w.add(lateness, m)
		}
		w.cut()
		return w.next()
	}
	for name, row := range map[string]struct {
		noise noise
		want  bool
	}{
		"none late":         {run(200, 0, 0), true},
		"1 % late":          {run(200, 2, 0), true},
		"over 1 % late":     {run(200, 3, 0), false},
		"1 % missed":        {run(198, 0, 2), true},
		"over 1 % missed":   {run(197, 0, 3), false},
		"nothing was there": {w.next(), true},
	} {
		if got := trust.allows(row.noise); got != row.want {
			t.Errorf("%s: got %v, want %v (%+v)", name, got, row.want, row.noise)
		}
	}
}

// Windows close later than they are cut: each must get its own noise.
func TestNoiseOfAWindowWaitsForItsClosing(t *testing.T) {
	trust := Trust{}.withDefaults(frame)
	w := windowNoise{limit: trust.SendLate}
	w.add(frame, 0)
	w.cut()
	w.add(0, 0)
	w.cut()
	if first, second := w.next(), w.next(); trust.allows(first) || !trust.allows(second) {
		t.Errorf("got %+v and %+v, want the first alone late", first, second)
	}
}

// An overloaded probe must not blame the network: no score, no complaint.
func TestAnUntrustedCallIsNotJudged(t *testing.T) {
	c, err := newCall(Target{URL: "http://127.0.0.1/echo"}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	bad := Direction{Evidence: EvidenceStamps, Expected: 500, Received: 300, Lost: 200, JitterMean: time.Second}
	c.result.Uplink, c.result.Downlink = bad, bad
	c.result.Self = Self{Reasons: []string{"this host was busy"}}
	if err := c.judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	verdict, summary := c.verdict()
	if verdict != Untrusted || !strings.Contains(summary, "this host was busy") || strings.Contains(summary, "loses") {
		t.Errorf("got %s: %s", verdict, summary)
	}

	c.result.Self = Self{Trusted: true}
	c.step(LayerQuality).State = StateNotRun
	if err := c.judge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if verdict, summary := c.verdict(); verdict != Degraded || !strings.Contains(summary, "uplink loses 40.0 %") {
		t.Errorf("trusted: got %s: %s", verdict, summary)
	}
}
