package agent

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/probe"
)

// wire counts the bytes of what passes a relay: the length of every datagram and
// 28 bytes of IPv4 and UDP in front of it.
type wire struct {
	mu    sync.Mutex
	bytes map[farend.Kind]int64
}

func (w *wire) see(p farend.Packet) farend.Fate {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes[p.Kind] += int64(len(p.Data)) + 28
	return farend.Fate{}
}

// TestBytesAreThoseOnTheWire compares what a call is reckoned to take, and what
// docs/operations.md says of it, with what goes over the path of a real call.
func TestBytesAreThoseOnTheWire(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	const duration = 3 * time.Second
	for _, codec := range []string{"pcmu", "opus"} {
		t.Run(codec, func(t *testing.T) {
			media, everything := measure(t, codec, duration)
			job := Job{Target: probe.Target{URL: "http://192.0.2.1/", Codec: codec, Duration: duration}}
			if reckoned := job.bytes(duration); !within(reckoned, media, 0.20) || reckoned < media {
				t.Errorf("got %d bytes reckoned, %d of media on the wire; want at most a fifth more", reckoned, media)
			}
			// STUN, DTLS and RTCP: a handshake once, reports now and then.
			if rest := everything - media; rest <= 0 || rest > 16<<10 {
				t.Errorf("got %d bytes beside the media, want some and less than 16 kB", rest)
			}
			row := regexp.MustCompile("(?m)^\\| `" + codec + "` \\|.*\\| ([0-9]+) kB +\\| ([0-9.]+) GB +\\|$").FindSubmatch(text)
			if row == nil {
				t.Fatalf("docs/operations.md has no row of %s", codec)
			}
			said, err := strconv.ParseFloat(string(row[1]), 64)
			if err != nil {
				t.Fatal(err)
			}
			day, err := strconv.ParseFloat(string(row[2]), 64)
			if err != nil {
				t.Fatal(err)
			}
			ten := float64(media) * 10 / duration.Seconds()
			if !within(int64(said*1000), int64(ten), 0.10) {
				t.Errorf("docs/operations.md says %v kB for 10 s, the wire %.0f kB", said, ten/1000)
			}
			if !within(int64(day*1e9), int64(ten*8640), 0.10) {
				t.Errorf("docs/operations.md says %v GB a day, the wire %.2f GB", day, ten*8640/1e9)
			}
			t.Logf("%s: %d bytes of media in %v, both directions; reckoned %d; beside it %d", codec, media, duration, job.bytes(duration), everything-media)
		})
	}
}

func within(a, b int64, share float64) bool {
	return float64(a) <= float64(b)*(1+share) && float64(a) >= float64(b)*(1-share)
}

// measure places a call through a relay and returns the bytes of its media, and
// of all that it sent and got by UDP. A busy host sends in fewer slots than there
// are; the bytes of media are those that as many packets as slots would take.
func measure(t *testing.T, codec string, duration time.Duration) (media, everything int64) {
	server, err := echo.New(echo.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	relay, w := farend.NewRelay(t), wire{bytes: map[farend.Kind]int64{}}
	relay.SetFilter(w.see)
	r, err := probe.Run(t.Context(), probe.Target{
		URL: farend.Serve(t, relay.Between(t, server)) + "/echo", Codec: codec, Duration: duration,
		Trust: probe.Trust{SendLate: time.Minute, Missed: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failure != nil || r.RoundTrip.Sent == 0 || r.RoundTrip.Returned != r.RoundTrip.Sent {
		t.Fatalf("the call does not serve as a measure: failure %v, %d packets sent, %d came back", r.Failure, r.RoundTrip.Sent, r.RoundTrip.Returned)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for kind, n := range w.bytes {
		if kind != farend.RTP {
			everything += n
		}
	}
	slots := int64(duration / r.Codec.Frame)
	media = w.bytes[farend.RTP] * slots / r.RoundTrip.Sent
	return media, media + everything
}
