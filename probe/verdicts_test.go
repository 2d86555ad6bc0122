package probe_test

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/probe"
)

// tableFile, when given, gets the table of TestVerdictsOnAlteredAudio.
var tableFile = flag.String("table", "", "write the table of TestVerdictsOnAlteredAudio to this file")

// altered are far ends that change what they return, and what a call must say of
// it. All of them but two rebuild packets, so that nothing but the audio shows
// what it is.
var altered = []struct {
	name    string
	codec   string // default pcmu
	mode    farend.Mode
	alter   farend.Alteration
	kind    probe.EchoKind
	verdict probe.Verdict
	code    probe.Code // of a failure
	state   probe.AudioState
	says    string  // part of the summary
	match   float64 // at least
	gain    float64 // dB
	late    time.Duration
	missing float64 // share of what was sent, to within a tenth
	scored  bool    // the downlink has a score
}{
	{name: "nothing is altered", mode: farend.Rebuild,
		kind: probe.EchoRebuilder, verdict: probe.Good, state: probe.AudioOK, match: 1, scored: true},
	{name: "silence", mode: farend.Rebuild, alter: farend.SilentAfter(0),
		kind: probe.EchoUnknown, verdict: probe.Failed, code: probe.CodeSilent, state: probe.AudioSilent},
	{name: "encoded noise at -52 dBov", mode: farend.Rebuild, alter: farend.Hiss(-52),
		kind: probe.EchoUnknown, verdict: probe.Failed, code: probe.CodeComfortNoise, state: probe.AudioSilent},
	{name: "comfort noise packets", mode: farend.Rebuild, alter: farend.NoisePackets(50),
		kind: probe.EchoUnknown, verdict: probe.Failed, code: probe.CodeComfortNoise, state: probe.AudioSilent},
	{name: "another voice", mode: farend.Rebuild, alter: farend.Voice,
		kind: probe.EchoUnknown, verdict: probe.Failed, code: probe.CodeWrongContent, state: probe.AudioWrong},
	{name: "another voice in our packets", mode: farend.Reflect, alter: farend.Voice,
		kind: probe.EchoReflector, verdict: probe.Failed, code: probe.CodeWrongContent, state: probe.AudioWrong},
	{name: "silent after two seconds", mode: farend.Rebuild, alter: farend.SilentAfter(100),
		kind: probe.EchoUnknown, verdict: probe.Failed, code: probe.CodeAudioStopped, state: probe.AudioSilent},
	{name: "a copy 0.5 s late", mode: farend.Rebuild, alter: farend.Later(25),
		kind: probe.EchoRebuilder, verdict: probe.Good, state: probe.AudioOK, match: 0.97, late: 500 * time.Millisecond, scored: true},
	{name: "every second frame silent", mode: farend.Rebuild, alter: farend.Silenced(odd),
		kind: probe.EchoRebuilder, verdict: probe.Degraded, state: probe.AudioOK, says: "of the clip came back silent", match: 0.4, missing: 0.5},
	{name: "every second frame not sent", mode: farend.Rebuild, alter: farend.Dropped(odd),
		kind: probe.EchoRebuilder, verdict: probe.Degraded, state: probe.AudioOK, says: "downlink loses", match: 1, missing: 0.5, scored: true},
	{name: "A-law on the way", mode: farend.Rebuild, alter: farend.Tandem,
		kind: probe.EchoTranscoder, verdict: probe.Good, state: probe.AudioOK, match: 0.97, scored: true},
	{name: "A-law on the way, in our packets", mode: farend.Reflect, alter: farend.Tandem,
		kind: probe.EchoReflector, verdict: probe.Good, state: probe.AudioOK, match: 0.97, scored: true},
	{name: "cut anew 40 samples later", mode: farend.Rebuild, alter: farend.Shifted(40),
		kind: probe.EchoRebuilder, verdict: probe.Good, state: probe.AudioOK, match: 0.97, late: 5 * time.Millisecond, scored: true},
	{name: "12 dB quieter", mode: farend.Rebuild, alter: farend.Amplified(-12),
		kind: probe.EchoTranscoder, verdict: probe.Good, state: probe.AudioOK, match: 0.97, gain: -12, scored: true},
	{name: "30 dB quieter", mode: farend.Rebuild, alter: farend.Amplified(-30),
		kind: probe.EchoTranscoder, verdict: probe.Degraded, state: probe.AudioOK, says: "hard to hear", match: 0.97, gain: -30, scored: true},
	{name: "clipped: 20 dB too loud", mode: farend.Rebuild, alter: farend.Amplified(20),
		kind: probe.EchoTranscoder, verdict: probe.Degraded, state: probe.AudioOK, says: "of the audio is clipped", match: 0.97, gain: 17.5, scored: true},
	{name: "Opus through a gateway to G.711", codec: "opus", mode: farend.Rebuild, alter: farend.Gateway,
		kind: probe.EchoTranscoder, verdict: probe.Good, state: probe.AudioOK, match: 0.95, scored: true},
}

func odd(n int) bool { return n%2 == 1 }

// Real calls over loopback to a peer made of pion/webrtc that alters what it
// returns, and their verdicts in a table: with -v, or to a file with -table.
func TestVerdictsOnAlteredAudio(t *testing.T) {
	rows := make([]string, len(altered))
	var skipped atomic.Bool
	t.Run("calls", func(t *testing.T) {
		for i, row := range altered {
			t.Run(row.name, func(t *testing.T) {
				t.Parallel()
				f := startPion(t, farend.PionConfig{Mode: row.mode, Alter: row.alter, Reports: 200 * time.Millisecond})
				call := target(farend.Serve(t, f) + "/echo")
				call.Codec, call.Duration, call.Window = cmp.Or(row.codec, "pcmu"), 5*time.Second, 1500*time.Millisecond
				call.Trust.Missed = 0.02
				r := place(t, t.Context(), call)
				for again := 0; again < 1 && !r.Self.Trusted; again++ {
					r = place(t, t.Context(), call)
				}
				checkFarEndTold(t, f)
				rows[i] = tableRow(row.name, r)
				if !r.Self.Trusted {
					skipped.Store(true)
					t.Logf("not looked at: %v", r.Self.Reasons) // half of the clip may not have been sent
					return
				}
				a := &r.Audio
				if r.Echo != row.kind || a.State != row.state {
					t.Errorf("got a %s echo, audio %s, want %s, %s: %+v", r.Echo, a.State, row.kind, row.state, a)
				}
				if row.code == "" && r.Failure != nil || row.code != "" && (r.Failure == nil || r.Failure.Code != row.code) {
					t.Errorf("got failure %v want %q", r.Failure, row.code)
				}
				if r.Verdict != row.verdict || !strings.Contains(r.Summary, row.says) {
					t.Errorf("got %s: %s want %s and %q", r.Verdict, r.Summary, row.verdict, row.says)
				}
				if (r.Downlink.Score != nil) != row.scored {
					t.Errorf("got score %+v, want one: %v", r.Downlink.Score, row.scored)
				}
				if a.MatchRatio() < row.match {
					t.Errorf("got a match of %.3f want %.3f", a.MatchRatio(), row.match)
				}
				if got := a.Missing.Seconds() / 5; math.Abs(got-row.missing) > 0.1 && row.state == probe.AudioOK {
					t.Errorf("%v is missing in %d gaps, want %.2f of 5s", a.Missing, a.GapCount, row.missing)
				}
				if row.state != probe.AudioOK {
					return
				}
				if a.GainDB == nil || math.Abs(*a.GainDB-row.gain) > 1 {
					t.Errorf("got a gain of %v want %v dB", value(a.GainDB, "%.1f"), row.gain)
				}
				// A busy host may hold packets up; nothing can come too early.
				if a.Delay == nil || *a.Delay < row.late-time.Millisecond || *a.Delay > row.late+time.Second || *a.MouthToEar < *a.Delay+40*time.Millisecond {
					t.Errorf("got delay %v, mouth to ear %v, want %v and more", a.Delay, a.MouthToEar, row.late)
				}
			})
		}
	})
	table := strings.Join(append([]string{tableHead}, rows...), "\n") + "\n"
	t.Log("\n" + table)
	if *tableFile != "" && skipped.Load() {
		t.Errorf("%s is not written: this host is too busy for some of the rows", *tableFile)
	} else if *tableFile != "" && !t.Failed() {
		page := "# Far ends that alter audio, and what a call says of them\n\n" +
			"`go test ./probe -run TestVerdictsOnAlteredAudio -table ../bench/results/audio.md`: real calls of 5 s over loopback to a peer\n" +
			"made of pion/webrtc.\n\n" + table
		if err := os.WriteFile(*tableFile, []byte(page), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// A window in which packets get there and none comes back is one of media in one
// direction, as soon as it closes.
func TestWindowsOfADeafDownlinkAreOneWay(t *testing.T) {
	t.Parallel()
	_, f, _ := startEcho(t, echo.Config{Down: schedule(t, "outage=1500ms+60s")})
	call := target(farend.Serve(t, f) + "/echo")
	call.Duration, call.Window = 4500*time.Millisecond, 1500*time.Millisecond
	r := place(t, t.Context(), call)
	if r.Failure == nil || r.Failure.Code != probe.CodeMediaStopped {
		t.Fatalf("got failure %v", r.Failure)
	}
	var states []probe.AudioState
	for _, w := range r.Windows {
		if w.Sent > 25 {
			states = append(states, w.Audio.State)
		}
	}
	if n := len(states); n < 2 || states[0] != probe.AudioOK || states[n-1] != probe.AudioOneWay {
		t.Errorf("got %v", states)
	}
}

const tableHead = "| what the far end does | echo | verdict | audio | match | silent | level, dBov | speech | gain, dB | clipped | delay, ms | missing | MOS up | MOS down |\n" +
	"|---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"

func tableRow(name string, r *probe.Result) string {
	a := &r.Audio
	verdict, delay := string(r.Verdict), "–"
	if r.Failure != nil {
		verdict += ": " + string(r.Failure.Code)
	}
	if a.Delay != nil {
		delay = fmt.Sprintf("%.1f ± %.1f", 1000*a.Delay.Seconds(), 1000*a.DelayAccuracy.Seconds())
	}
	mos := func(s *probe.Score) string {
		if s == nil {
			return "–"
		}
		return fmt.Sprintf("%.2f", s.MOS)
	}
	cells := []string{
		name, string(r.Echo), verdict, string(a.State),
		fmt.Sprintf("%.1f %%", 100*a.MatchRatio()), fmt.Sprintf("%.1f %%", 100*a.SilentRatio()),
		value(a.LevelDBOV, "%.1f"), value(a.ActiveLevelDBOV, "%.1f"), value(a.GainDB, "%+.1f"), percentage(a.ClippingRatio),
		delay, fmt.Sprintf("%.2f s in %d", a.Missing.Seconds(), a.GapCount), mos(r.Uplink.Score), mos(r.Downlink.Score),
	}
	return "| " + strings.Join(cells, " | ") + " |"
}

func value(v *float64, format string) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf(format, *v)
}

func percentage(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100**v)
}
