package probe_test

import (
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/probe"
)

// choices are far ends that choose a codec, and number it, as they like. Each
// call is to be measured and scored by what they chose.
var choices = []struct {
	name, asked string
	far         func(*testing.T) far
	tamper      farend.Tamper
	codec       probe.Codec
	scale       string
}{
	{"the echo takes what is asked for", "pcma", anEcho, farend.Tamper{}, pcma("PCMA"), "nb"},
	{"the far end has no Opus", "opus", anEcho, farend.Tamper{Offer: farend.Replace("opus/48000/2", "AMR/8000")}, pcmu("opus"), "nb"},
	{"the far end has Opus alone", "pcma", anEcho, farend.Tamper{Offer: farend.Replace("PCM[UA]/8000", "AMR/8000")}, opus("PCMA"), "fb"},
	{"the answer has several, in an order of its own", "pcmu", aPion(farend.PionConfig{Codec: "audio/opus"}), farend.Tamper{}, opus("PCMU"), "fb"},
	{"the far end counts payload types in its own way", "opus", anEcho, farend.Tamper{Offer: renumber}, opus("opus"), "fb"},
	{"the far end sends by our numbers and gets by its own", "opus", aPion(farend.PionConfig{Alter: farend.Numbered(111)}),
		farend.Tamper{Offer: renumber}, opus("opus"), "fb"},
}

// renumber makes a far end know Opus under another number than it was offered.
var renumber = farend.Edits(farend.Replace(`^(m=audio .*) 111 `, "$1 96 "), farend.Replace("^a=(rtpmap|fmtp):111 ", "a=$1:96 "))

func pcmu(asked string) probe.Codec {
	return probe.Codec{Name: "PCMU", ClockRate: 8000, Frame: 20 * time.Millisecond, Asked: asked}
}
func pcma(asked string) probe.Codec {
	return probe.Codec{Name: "PCMA", ClockRate: 8000, Frame: 20 * time.Millisecond, Asked: asked}
}
func opus(asked string) probe.Codec {
	return probe.Codec{Name: "opus", ClockRate: 48000, Frame: 20 * time.Millisecond, Asked: asked}
}

func anEcho(t *testing.T) far {
	_, f, _ := startEcho(t, echo.Config{})
	return f
}

func aPion(c farend.PionConfig) func(*testing.T) far {
	c.Reports = 100 * time.Millisecond
	return func(t *testing.T) far { return startPion(t, c) }
}

func TestTheCallIsMadeInTheCodecOfTheAnswer(t *testing.T) {
	t.Parallel()
	for _, row := range choices {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f := row.far(t)
			call := target(farend.Serve(t, row.tamper.Handler(t, f)) + "/echo")
			call.Codec, call.Duration = row.asked, 2*time.Second
			r := place(t, t.Context(), call)
			checkGood(t, r)
			checkFarEndTold(t, f)
			if r.Codec == nil || *r.Codec != row.codec {
				t.Errorf("got codec %+v, want %+v", r.Codec, row.codec)
			}
			for name, d := range map[string]probe.Direction{"uplink": r.Uplink, "downlink": r.Downlink} {
				if d.Score == nil || d.Score.Scale != row.scale {
					t.Errorf("the %s has score %+v, want one of scale %s", name, d.Score, row.scale)
				}
			}
		})
	}
}
