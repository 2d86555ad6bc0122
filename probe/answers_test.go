package probe_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

// answers are what real endpoints leave out of theirs. All of them are accepted
// and measured; what was assumed in place of it is named.
var answers = []struct {
	name       string
	edit       farend.Edit
	deviations []string // each begins one of those reported; none others are
}{
	{"an answer without ssrc and msid (I1)", farend.Drop("a=ssrc:", "a=msid:"), nil},
	{"an answer with ssrc but without mid and BUNDLE (I2)",
		farend.Edits(farend.Drop("a=mid:"), farend.Drop("a=group:BUNDLE")), []string{"no a=mid"}},
	{"an answer without ssrc, mid and BUNDLE (I2)",
		farend.Edits(farend.Drop("a=ssrc:", "a=msid:"), farend.Drop("a=mid:"), farend.Drop("a=group:BUNDLE")), []string{"no a=mid"}},
	{"an answer with BUNDLE but without mid (I3)", farend.Drop("a=mid:"), []string{"no a=mid"}},
	{"an answer without rtcp-mux (I4)", farend.Drop("a=rtcp-mux"), []string{"no a=rtcp-mux"}},
	{"an answer without setup (I4)", farend.Drop("a=setup:"), []string{"no a=setup", "answer leaves the DTLS role open"}},
	{"an answer with setup actpass", farend.Replace("^a=setup:.*$", "a=setup:actpass\r"), []string{"answer leaves the DTLS role open"}},
	{"an answer with profile RTP/SAVPF (I4)", farend.Replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"), []string{"profile RTP/SAVPF"}},
	{"an answer with all of I4", farend.Edits(farend.Drop("a=rtcp-mux"), farend.Drop("a=setup:"), farend.Replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF")),
		[]string{"no a=rtcp-mux", "no a=setup", "answer leaves the DTLS role open", "profile RTP/SAVPF"}},
	{"an answer with line ends of LF alone", farend.Replace("\r$", ""), nil},
	{"an answer with a fingerprint in lower case", lowerFingerprint, nil},
}

func lowerFingerprint(sdp string) string {
	var edited strings.Builder
	for line := range strings.Lines(sdp) {
		if strings.HasPrefix(line, "a=fingerprint:") {
			line = strings.ToLower(line)
		}
		edited.WriteString(line)
	}
	return edited.String()
}

// Both far ends answer as the DTLS client, so an answer without a role is one
// whose sender begins the handshake.
func TestAnswersThatLeaveThingsOut(t *testing.T) {
	signalingtest.NoLeaks(t)
	noSocketsLeft(t)
	t.Run("each", func(t *testing.T) {
		for _, row := range answers {
			t.Run(row.name+", echo", func(t *testing.T) {
				t.Parallel()
				_, f, _ := startEcho(t, echo.Config{})
				r := checkAnswer(t, f, row.edit, row.deviations)
				if r.Echo != probe.EchoStamping || r.Uplink.Evidence != probe.EvidenceStamps || r.Downlink.Evidence == probe.EvidenceNone {
					t.Errorf("got a %s echo, uplink by %s, downlink by %s", r.Echo, r.Uplink.Evidence, r.Downlink.Evidence)
				}
			})
			t.Run(row.name+", pion", func(t *testing.T) {
				t.Parallel()
				f := startPion(t, farend.PionConfig{Reports: 100 * time.Millisecond})
				r := checkAnswer(t, f, row.edit, row.deviations)
				if r.Echo != probe.EchoReflector || r.Uplink.Evidence != probe.EvidenceRTCP {
					t.Errorf("got a %s echo, uplink by %s", r.Echo, r.Uplink.Evidence)
				}
			})
		}
	})
}

func checkAnswer(t *testing.T, f far, edit farend.Edit, deviations []string) *probe.Result {
	t.Helper()
	call := target(farend.Serve(t, farend.Tamper{Answer: edit}.Handler(t, f)) + "/echo")
	call.Duration = 2 * time.Second // some packets must come back before the kind of echo shows
	r := place(t, t.Context(), call)
	checkGood(t, r)
	checkFarEndTold(t, f)
	if !slices.EqualFunc(sorted(r.Deviations), sorted(deviations), strings.HasPrefix) {
		t.Errorf("got deviations %q, want %q", r.Deviations, deviations)
	}
	return r
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }
