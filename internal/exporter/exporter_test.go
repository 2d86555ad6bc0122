package exporter

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/probe"
)

// value finds one line of an exposition; "" when it is not there.
func value(text, line string) string {
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(line) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return ""
	}
	return m[1]
}

func check(t *testing.T, e *Exporter, when string, want map[string]string) {
	t.Helper()
	text := exposition(t, textFormat, e)
	for line, v := range want {
		if got := value(text, line); got != v {
			t.Errorf("%s: %s: got %q want %q", when, line, got, v)
		}
	}
}

func TestCountersExistBeforeTheFirstCall(t *testing.T) {
	e := New(Config{})
	e.Added(office)
	text := exposition(t, textFormat, e)
	for _, m := range catalog.All() {
		if m.Type == catalog.Gauge || m.FromShot != nil || m.FromJob != nil || m.FromStatus != nil || m.FromReceiver != nil || m.FromHistory != nil || m == catalog.CallLayerSeconds {
			continue
		}
		name := m.Name
		if m.Type == catalog.Histogram {
			name += "_count"
		}
		if !regexp.MustCompile(`(?m)^` + name + `(\{.*\})? 0$`).MatchString(text) {
			t.Errorf("%s is not at 0 before the first call", m.Name)
		}
	}
	for _, line := range []string{
		`earshot_calls_failed_total{code="tls_certificate_expired",layer="tls",target="office"}`,
		`earshot_calls_failed_total{code="ice_no_pair",layer="ice",target="office"}`,
	} {
		if got := value(text, line); got != "0" {
			t.Errorf("%s: got %q want 0", line, got)
		}
	}
	if strings.Contains(text, "link_mos{") {
		t.Error("a score is shown without a call")
	}
}

func TestAFailedCallEndsTheScore(t *testing.T) {
	e := New(Config{})
	e.Added(office)
	place(e, office, goodCall("c1"))
	check(t, e, "after a good call", map[string]string{
		`earshot_uplink_mos{scale="nb",target="office"}`:                                              "3.9",
		`earshot_call_verdict{target="office",verdict="good"}`:                                        "1",
		`earshot_certificate_not_after_timestamp_seconds{hop="echo.example.com:443",target="office"}`: "1.8013968e+09",
	})
	place(e, office, failedCall("c2", probe.CodeNoPair))
	check(t, e, "after a failed call", map[string]string{
		`earshot_uplink_mos{scale="nb",target="office"}`:                                              "",
		`earshot_downlink_delay_variation_p95_seconds{target="office"}`:                               "",
		`earshot_codec_info{codec="pcmu",target="office"}`:                                            "",
		`earshot_route_relayed{target="office"}`:                                                      "",
		`earshot_audio_state{state="ok",target="office"}`:                                             "0",
		`earshot_audio_state{state="not_checked",target="office"}`:                                    "1",
		`earshot_call_verdict{target="office",verdict="failed"}`:                                      "1",
		`earshot_calls_failed_total{code="ice_no_pair",layer="ice",target="office"}`:                  "1",
		`earshot_calls_total{target="office"}`:                                                        "2",
		`earshot_certificate_not_after_timestamp_seconds{hop="echo.example.com:443",target="office"}`: "1.8013968e+09",
	})
}

func TestUntrustedWindowsSayNothingOfTheNetwork(t *testing.T) {
	e := New(Config{})
	e.Added(office)
	w := window()
	w.Trusted = false
	e.Window(office, "c1", window())
	before := exposition(t, textFormat, e)
	e.Window(office, "c1", w)
	after := exposition(t, textFormat, e)
	for _, line := range []string{
		`earshot_uplink_packets_lost_total{target="office"}`, `earshot_rtt_seconds_count{target="office"}`,
		`earshot_uplink_jitter_seconds_count{target="office"}`, `earshot_windows_total{target="office"}`,
	} {
		if got, want := value(after, line), value(before, line); got != want || got == "" || got == "0" {
			t.Errorf("%s: got %q want %q", line, got, want)
		}
	}
	check(t, e, "after an untrusted window", map[string]string{
		`earshot_windows_untrusted_total{target="office"}`:            "1",
		`earshot_uplink_mos{scale="nb",target="office"}`:              "",
		`earshot_uplink_delay_variation_p95_seconds{target="office"}`: "",
		`earshot_self_send_late_seconds_count`:                        "500",
	})
}

func TestADirectionThatIsUnknownHasNoFigures(t *testing.T) {
	e := New(Config{})
	e.Added(office)
	w := window()
	w.Uplink = probe.Direction{Evidence: probe.EvidenceNone, Unknown: 250}
	e.Window(office, "c1", w)
	check(t, e, "with an unknown uplink", map[string]string{
		`earshot_uplink_mos{scale="nb",target="office"}`:                "",
		`earshot_uplink_windows_total{target="office"}`:                 "0",
		`earshot_downlink_windows_total{target="office"}`:               "1",
		`earshot_windows_total{target="office"}`:                        "1",
		`earshot_uplink_packets_unknown_total{target="office"}`:         "250",
		`earshot_uplink_jitter_seconds_count{target="office"}`:          "0",
		`earshot_uplink_evidence_info{evidence="none",target="office"}`: "1",
	})
}

func TestSilenceIsToldToItsDirection(t *testing.T) {
	none := probe.Direction{Evidence: probe.EvidenceNone}
	up := probe.Direction{Evidence: probe.EvidenceStamps, Expected: 250, Received: 240, Lost: 10}
	upDead := probe.Direction{Evidence: probe.EvidenceRTCP, Expected: 250, Lost: 250}
	for name, row := range map[string]struct {
		up, down             probe.Direction
		sent                 int64
		silent, upIs, downIs string
	}{
		"nothing is known":                   {none, none, 250, "1", "0", "0"},
		"what is sent arrives, none is back": {up, none, 250, "1", "0", "1"},
		"what is sent does not arrive":       {upDead, none, 250, "1", "1", "0"},
		"too little was sent":                {none, none, 19, "0", "0", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			e := New(Config{})
			e.Added(office)
			e.Window(office, "c1", probe.Window{Trusted: true, Sent: row.sent, Uplink: row.up, Downlink: row.down, Audio: probe.Audio{State: probe.AudioNotChecked}})
			check(t, e, name, map[string]string{
				`earshot_windows_silent_total{target="office"}`:                    row.silent,
				`earshot_windows_bad_total{target="office"}`:                       row.silent,
				`earshot_uplink_windows_silent_total{target="office"}`:             row.upIs,
				`earshot_downlink_windows_silent_total{target="office"}`:           row.downIs,
				`earshot_windows_unscored_total{target="office"}`:                  "1",
				`earshot_windows_audio_total{state="not_checked",target="office"}`: "1",
				`earshot_windows_audio_total{state="ok",target="office"}`:          "0",
			})
		})
	}
}

// A good window, or a call that works, ends a row.
func TestStreaksCountInARow(t *testing.T) {
	e := New(Config{})
	e.Added(core) // windows of 3.9 up are under its limit
	bad := window()
	good := window()
	good.Uplink.Score = good.Downlink.Score
	untrusted, silent := window(), probe.Window{Trusted: true, Sent: 250}
	untrusted.Trusted = false
	row := func(w probe.Window, up, down, silence string) {
		t.Helper()
		e.Window(core, "c1", w)
		check(t, e, "then", map[string]string{
			`earshot_uplink_windows_bad_streak{target="core"}`:   up,
			`earshot_downlink_windows_bad_streak{target="core"}`: down,
			`earshot_windows_silent_streak{target="core"}`:       silence,
		})
	}
	row(bad, "1", "0", "0")
	row(bad, "2", "0", "0")
	row(untrusted, "2", "0", "0")
	row(silent, "2", "0", "1")
	row(silent, "2", "0", "2")
	row(probe.Window{Trusted: true, Sent: 5}, "2", "0", "2") // too short to tell
	row(bad, "3", "0", "0")
	row(good, "0", "0", "0")
	row(bad, "1", "0", "0")

	streak := `earshot_call_failure_streak{target="core"}`
	for i, want := range []string{"1", "2", "3"} {
		place(e, core, failedCall(fmt.Sprint("c", i+1), probe.CodeNoPair)) // c1 dies, the others do not come up
		check(t, e, "after failures", map[string]string{streak: want, `earshot_uplink_windows_bad_streak{target="core"}`: ""})
	}
	place(e, core, goodCall("g"))
	check(t, e, "after a good call", map[string]string{streak: "0"})
}

// While a call is renewed, two calls tell of the same seconds: a burst in them is
// not twice as long.
func TestWindowsOfTheSameTimeCountOnceInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Config{})
		e.Added(office)
		bad := window()
		bad.Length = 5 * time.Second
		bad.Uplink.Score = &probe.Score{MOS: 1}
		check := func(when, want string) {
			t.Helper()
			check(t, e, when, map[string]string{
				`earshot_uplink_windows_bad_streak{target="office"}`: want,
				`earshot_uplink_windows_bad_recent{target="office"}`: want,
			})
		}
		e.Window(office, "old", bad)
		time.Sleep(3 * time.Second)
		e.Window(office, "new", bad)
		check("a window of the new call is of the same time", "1")
		time.Sleep(2 * time.Second)
		e.Window(office, "old", bad)
		check("the old call goes on", "2")
		time.Sleep(3 * time.Second)
		e.Window(office, "new", bad)
		check("of the same time again", "2")
		time.Sleep(5 * time.Second) // the old call has ended
		e.Window(office, "new", bad)
		check("the new call alone", "3")
		time.Sleep(5 * time.Second)
		e.Window(office, "new", bad)
		check("and on", "4")
	})
}

// An outage into which a call and its re-test fell has lasted no longer than from the
// end of the one, or from when it fell silent, to the start of the other.
func TestHowLongCallsHaveBeenFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Config{})
		e.Added(core)
		place := func(r *probe.Result, took time.Duration, want string) {
			t.Helper()
			r.Started = time.Now()
			e.Started(core, r.ID, r.Started)
			time.Sleep(took)
			e.Ended(core, r)
			check(t, e, "after "+r.ID, map[string]string{`earshot_call_failing_seconds{target="core"}`: want})
		}
		place(failedCall("1", probe.CodeNoPair), 5*time.Second, "0")
		time.Sleep(time.Second)
		place(failedCall("2", probe.CodeNoPair), 5*time.Second, "1")
		time.Sleep(2 * time.Second)
		place(failedCall("3", probe.CodeNoPair), 5*time.Second, "8")
		place(goodCall("4"), 5*time.Second, "0")
		place(failedCall("5", probe.CodeNoPair), 5*time.Second, "0")
		place(goodCall("6"), 5*time.Second, "0")

		quiet := probe.Window{Length: 5 * time.Second, Trusted: true, Sent: 250}
		blip := probe.Window{Length: 100 * time.Millisecond, Trusted: true, Sent: 5}
		dead := failedCall("7", probe.CodeConsentLost)
		dead.Windows = []probe.Window{window(), quiet, window(), quiet, quiet, quiet, blip}
		place(dead, time.Minute, "0")
		time.Sleep(2 * time.Second)
		place(failedCall("8", probe.CodeConnectRefused), 0, "17")
		time.Sleep(3 * time.Second)
		place(failedCall("9", probe.CodeConnectRefused), 0, "20")
	})
}

// A good window in a bad stretch is not the end of it: of the last six, so many are
// bad.
func TestRecentCountsAmongTheLastSix(t *testing.T) {
	e := New(Config{})
	e.Added(core) // windows of 3.9 up are under its limit
	bad, good, untrusted := window(), window(), window()
	good.Uplink.Score = good.Downlink.Score
	untrusted.Trusted = false
	for i, next := range []struct {
		window probe.Window
		want   string
	}{
		{bad, "1"}, {bad, "2"}, {good, "2"}, {untrusted, "2"}, {bad, "3"}, {bad, "4"}, {good, "4"}, // six of them that can be trusted
		{good, "3"}, {good, "2"}, {good, "2"}, {good, "1"}, {good, "0"}, {good, "0"}, {bad, "1"},
	} {
		e.Window(core, "c1", next.window)
		check(t, e, fmt.Sprintf("window %d", i), map[string]string{
			`earshot_uplink_windows_bad_recent{target="core"}`:   next.want,
			`earshot_downlink_windows_bad_recent{target="core"}`: "0",
		})
	}
}

// The page for calls that fail must end when a call is up again, and that call may
// stand for hours before it is finished.
func TestACallThatStandsEndsARowOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Config{})
		e.Added(core)
		e.Added(office)
		streak := func(when, target, want string) {
			t.Helper()
			check(t, e, when, map[string]string{`earshot_call_failure_streak{target="` + target + `"}`: want})
		}
		begin := func(job agent.Job, id string) { e.Started(job, id, time.Now()) }
		windows := func(job agent.Job, id string, n int, w probe.Window) {
			for range n {
				time.Sleep(5 * time.Second)
				e.Window(job, id, w)
			}
		}
		begin(core, "stands")
		windows(core, "stands", 10, window())
		for _, id := range []string{"successor1", "successor2"} {
			begin(core, id)
			place(e, core, failedCall(id, probe.CodeDTLSSilent))
			windows(core, "stands", 10, window())
		}
		streak("while successors fail and the call before them stands", "core", "2")

		for _, id := range []string{"short1", "short2"} {
			begin(core, id)
			windows(core, id, 5, window())
			place(e, core, failedCall(id, probe.CodeNoPair))
		}
		streak("after calls that die within half a minute", "core", "4")

		begin(core, "silent")
		windows(core, "silent", 8, probe.Window{Trusted: true, Sent: 250})
		streak("while a call is up without media", "core", "4")

		begin(core, "up")
		windows(core, "up", 5, window())
		streak("25 s after a call is up", "core", "4")
		windows(core, "up", 1, window())
		streak("30 s after a call is up", "core", "0")
		place(e, core, failedCall("up", probe.CodeNoPair))
		streak("when that one fails", "core", "1")

		// A call on a schedule is judged when it is over.
		place(e, office, failedCall("o1", probe.CodeNoPair))
		begin(office, "o2")
		windows(office, "o2", 10, window())
		streak("while a long call of a schedule runs", "office", "1")
	})
}

// What the windows of one call show does not end with another one beside it.
func TestWindowsOutlastOtherCallsThatFail(t *testing.T) {
	e := New(Config{})
	e.Added(core)
	silence, mos := `earshot_windows_silent_streak{target="core"}`, `earshot_downlink_mos{scale="nb",target="core"}`
	good, silent := window(), probe.Window{Trusted: true, Sent: 250}
	step := func(what string, do func(), silentWindows, score string) {
		t.Helper()
		do()
		check(t, e, what, map[string]string{silence: silentWindows, mos: score})
	}
	start := func(id string) { e.Started(core, id, time.Now()) }
	say := func(id string, w probe.Window) { e.Window(core, id, w) }
	fail := func(id string, code probe.Code) { e.Ended(core, failedCall(id, code)) }

	start("a")
	step("the first call is up", func() { say("a", good) }, "0", "4.4")
	step("a successor is refused", func() { start("s"); fail("s", probe.CodeUnavailable) }, "0", "4.4")
	step("the first falls silent", func() { say("a", silent); say("a", silent); say("a", silent) }, "3", "")
	step("a fresh one gets no media", func() { start("b"); say("b", silent); fail("b", probe.CodeNoMedia) }, "4", "")
	step("and the silence goes on", func() { say("a", silent) }, "5", "")
	step("media is back in another one", func() { start("d"); say("d", good) }, "0", "4.4")
	step("the old one is over", func() { fail("a", probe.CodeMediaStopped) }, "0", "4.4")
	step("the last one dies", func() { fail("d", probe.CodeConsentLost) }, "", "")
}

func TestBadWindowsGoByTheTargetsOwnLimit(t *testing.T) {
	e := New(Config{})
	e.Added(office) // 3.6 by default
	e.Added(core)   // 4
	e.Window(office, "c1", window())
	e.Window(core, "c2", window())
	check(t, e, "at a MOS of 3.9 up and 4.4 down", map[string]string{
		`earshot_uplink_windows_bad_total{target="office"}`: "0",
		`earshot_uplink_windows_bad_total{target="core"}`:   "1",
		`earshot_downlink_windows_bad_total{target="core"}`: "0",
		`earshot_target_limit_mos{target="office"}`:         "3.6",
		`earshot_target_limit_mos{target="core"}`:           "4",
	})
}

func TestWindowsWithLossAreThoseInWhichAPacketIsMissing(t *testing.T) {
	for name, row := range map[string]struct {
		lost, discarded int64
		scored          bool
		want            string
	}{
		"nothing":            {0, 0, true, "0"},
		"one lost":           {1, 0, true, "1"},
		"one too late":       {0, 1, true, "1"},
		"many are one":       {100, 20, true, "1"},
		"lost without score": {5, 0, false, "0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := window()
			w.Uplink.Lost, w.Uplink.Discarded = row.lost, row.discarded
			if !row.scored {
				w.Uplink.Score = nil
			}
			e := New(Config{})
			e.Added(office)
			e.Window(office, "c1", w)
			check(t, e, name, map[string]string{
				`earshot_uplink_windows_lossy_total{target="office"}`:   row.want,
				`earshot_downlink_windows_lossy_total{target="office"}`: "0",
			})
		})
	}
}

func TestSeriesOfARemovedTargetVanishAtOnce(t *testing.T) {
	e := New(Config{})
	e.Added(office)
	e.Added(core)
	place(e, office, goodCall("c1"))
	e.Removed(office)
	if text := exposition(t, textFormat, e); strings.Contains(text, `"office"`) || !strings.Contains(text, `"core"`) {
		t.Error("the series are not those of the target that is left")
	}
	place(e, office, goodCall("c2")) // its last words come too late
	if text := exposition(t, textFormat, e); strings.Contains(text, `"office"`) {
		t.Error("a removed target is back")
	}
}

func TestAChangedTargetKeepsItsCounters(t *testing.T) {
	e := New(Config{})
	e.Added(office)
	place(e, office, goodCall("c1"))
	changed := office
	changed.Every, changed.Target.Limits.BadMOS = 2*time.Minute, 4.2
	e.Added(changed)
	check(t, e, "after the change", map[string]string{
		`earshot_calls_total{target="office"}`:                              "1",
		`earshot_target_limit_mos{target="office"}`:                         "4.2",
		`earshot_target_interval_seconds{target="office"}`:                  "120",
		`earshot_uplink_windows_total{target="office"}`:                     "2",
		`earshot_target_info{mode="periodic",relay="auto",target="office"}`: "1",
	})
}

func TestGaugesVanishAfterMissedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := New(Config{})
		e.Added(office)
		e.Added(core)
		place(e, office, goodCall("c1"))
		e.Window(core, "c2", window())
		mos := func(target string) string { return `earshot_uplink_mos{scale="nb",target="` + target + `"}` }
		verdict := `earshot_call_verdict{target="core",verdict="untrusted"}`
		codec := func(target string) string { return `earshot_codec_info{codec="pcmu",target="` + target + `"}` }

		time.Sleep(25 * time.Second)
		check(t, e, "soon", map[string]string{mos("office"): "3.9", mos("core"): "3.9", codec("core"): "1"})
		place(e, core, &probe.Result{Verdict: probe.Untrusted}) // a call without windows
		time.Sleep(10 * time.Second)
		check(t, e, "when a running call was silent for seven windows", map[string]string{mos("office"): "3.9", mos("core"): "", verdict: "1"})
		time.Sleep(2*time.Minute + 50*time.Second)
		check(t, e, "within three missed calls", map[string]string{mos("office"): "3.9", codec("office"): "1"})
		time.Sleep(20 * time.Second)
		check(t, e, "after three missed calls", map[string]string{
			mos("office"): "", codec("office"): "", `earshot_call_verdict{target="office",verdict="good"}`: "",
			`earshot_calls_total{target="office"}`: "1", `earshot_target_limit_mos{target="office"}`: "3.6",
		})
		if value(exposition(t, textFormat, e), `earshot_call_last_timestamp_seconds{target="office"}`) == "" {
			t.Error("the time of the last call went stale: it is what tells that calls are missing")
		}
		time.Sleep(3 * time.Minute)
		check(t, e, "long after", map[string]string{verdict: ""})
		place(e, office, goodCall("c3"))
		check(t, e, "when calls are back", map[string]string{mos("office"): "3.9", codec("office"): "1"})
	})
}

func TestExemplarsNameTheCall(t *testing.T) {
	e := New(Config{})
	e.Added(office)
	place(e, office, goodCall("call-7"))
	text := exposition(t, openMetrics, e)
	for _, start := range []string{
		`earshot_rtt_seconds_bucket{target="office",le="0.05"} 490 # {call_id="call-7"} 0.03125 `,
		`earshot_call_first_media_seconds_bucket{target="office",le="0.2"} 1 # {call_id="call-7"} 0.19 `,
		`earshot_calls_good_total{target="office"} 1.0 # {call_id="call-7"} 1.0 `,
	} {
		if !strings.Contains(text, start) {
			t.Errorf("no line begins with %s", start)
		}
	}
}

func TestReloadsAreShown(t *testing.T) {
	e := New(Config{})
	check(t, e, "before any", map[string]string{"earshot_config_last_reload_successful": ""})
	e.Reloaded(true)
	check(t, e, "after one that worked", map[string]string{"earshot_config_last_reload_successful": "1"})
	at := value(exposition(t, textFormat, e), "earshot_config_last_reload_success_timestamp_seconds")
	e.Reloaded(false)
	check(t, e, "after one that did not", map[string]string{
		"earshot_config_last_reload_successful": "0", "earshot_config_last_reload_success_timestamp_seconds": at,
	})
}

// Calls, windows, reloads and scrapes at the same time: the race detector looks
// on, and no count is lost.
func TestEverythingAtOnce(t *testing.T) {
	e := New(Config{Status: func() agent.Status { return agent.Status{} }})
	var wait sync.WaitGroup
	const targets, calls = 8, 50
	for i := range targets {
		job := office
		job.Target.Name = fmt.Sprintf("t%d", i)
		wait.Go(func() {
			e.Added(job)
			for range calls {
				place(e, job, goodCall("c"))
			}
		})
		wait.Go(func() {
			gone := office
			gone.Target.Name = fmt.Sprintf("gone%d", i)
			for range calls {
				e.Added(gone)
				place(e, gone, goodCall("c"))
				e.Removed(gone)
			}
		})
	}
	for range 4 {
		wait.Go(func() {
			for range 20 {
				exposition(t, openMetrics, e)
				e.Reloaded(true)
			}
		})
	}
	wait.Wait()
	want := map[string]string{"earshot_self_send_late_seconds_count": fmt.Sprint(2 * targets * calls * 2 * 250)}
	for i := range targets {
		want[fmt.Sprintf(`earshot_calls_total{target="t%d"}`, i)] = fmt.Sprint(calls)
		want[fmt.Sprintf(`earshot_rtt_seconds_count{target="t%d"}`, i)] = fmt.Sprint(calls * 2 * 245)
	}
	text := exposition(t, textFormat, e)
	for line, v := range want {
		got := value(text, line)
		var a, b float64
		fmt.Sscan(got, &a)
		fmt.Sscan(v, &b)
		if a != b || got == "" {
			t.Errorf("%s: got %s want %s", line, got, v)
		}
	}
}

func hundreds(n int) *Exporter {
	e := New(Config{Site: "paris"})
	for i := range n {
		job := office
		job.Target.Name = fmt.Sprintf("target-%d", i)
		e.Added(job)
		for range 5 {
			place(e, job, goodCall("c"))
		}
	}
	return e
}

type counting struct{ n int }

func (c *counting) Write(p []byte) (int, error) { c.n += len(p); return len(p), nil }

// BenchmarkScrape is a whole scrape in the text form, without compression.
func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{20, 500} {
		b.Run(fmt.Sprintf("targets=%d", n), func(b *testing.B) {
			registry := prometheus.NewRegistry()
			registry.MustRegister(hundreds(n))
			var bytes, series int
			b.ReportAllocs()
			for b.Loop() {
				families, err := registry.Gather()
				if err != nil {
					b.Fatal(err)
				}
				out := &counting{}
				encoder := expfmt.NewEncoder(out, textFormat)
				series = 0
				for _, f := range families {
					series += len(f.Metric)
					if err := encoder.Encode(f); err != nil {
						b.Fatal(err)
					}
				}
				bytes = out.n
			}
			b.ReportMetric(float64(bytes)/float64(n), "bytes/target")
			b.ReportMetric(float64(series)/float64(n), "metrics/target")
		})
	}
}

func BenchmarkWindow(b *testing.B) {
	e := hundreds(500)
	w := window()
	job := office
	job.Target.Name = "target-7"
	b.ReportAllocs()
	for b.Loop() {
		e.Window(job, "c", w)
	}
}
