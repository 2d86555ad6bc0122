package audio

import (
	"fmt"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
)

// What looking at a returned packet costs on the path of the packets, beside the
// bare comparison of its payload.
func BenchmarkTake(b *testing.B) {
	for _, codec := range media.Names() {
		for _, stamped := range []bool{true, false} {
			how := map[bool]string{true: "stamped", false: "found"}[stamped]
			c := newCall(b, codec, 0)
			c.run(1, intactly)
			b.Run(fmt.Sprintf("%s/%s/compare", codec, how), func(b *testing.B) {
				n := int64(0)
				for b.Loop() {
					payload := c.clip.Frame(n)
					if stamped {
						same := string(c.clip.Frame(n)) == string(payload)
						if !same {
							b.Fatal("not the same")
						}
					} else if _, ok := c.clip.Find(payload); !ok {
						b.Fatal("not found")
					}
					n++
				}
			})
			b.Run(fmt.Sprintf("%s/%s/take", codec, how), func(b *testing.B) {
				p := Packet{PayloadType: c.clip.Codec().PayloadType, Position: -1}
				b.ReportAllocs()
				for b.Loop() {
					p.Payload = c.clip.Frame(c.sent)
					if stamped {
						p.Position = c.sent
					}
					p.At += frameTime
					p.Seq++
					c.sent++
					p.Sent = c.sent
					c.rec.Take(&p)
				}
				if checked, matched := c.rec.Exact(); checked != matched {
					b.Fatalf("%d of %d", matched, checked)
				}
			})
		}
	}
}

// What listening to a second of altered audio costs: what is ours, and what is not.
func BenchmarkListen(b *testing.B) {
	for _, row := range []struct {
		name, codec string
		far         func(int64, []byte) []back
	}{
		{"bit for bit", "pcmu", intactly},
		{"transcoded, PCMU", "pcmu", tandem()},
		{"transcoded, Opus", "opus", gateway(b)},
		{"silence", "pcmu", silenced(func(int64) bool { return true })},
		{"another voice", "pcmu", playing(readFile(b, farVoice))},
	} {
		b.Run(row.name, func(b *testing.B) {
			c := newCall(b, row.codec, 0)
			var lag Lag
			var listening time.Duration
			windows := 0
			c.run(250, row.far)
			f := c.hear(lag) // once per process: the reference
			for b.Loop() {
				b.StopTimer()
				c.run(250, row.far)
				lag = f.Lag
				b.StartTimer()
				start := time.Now()
				f = c.hear(lag)
				listening += time.Since(start)
				windows++
			}
			b.ReportMetric(float64(listening.Microseconds())/float64(windows)/5, "µs/second")
		})
	}
}
