package selftest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

var update = flag.Bool("update", false, "write the golden files")

// reports are hosts of different worth.
func reports() map[string]*Report {
	spread := func(us time.Duration) Spread {
		us *= time.Microsecond
		return Spread{Median: us / 2, Most: us, Worst: 2 * us}
	}
	loopback := func(n int, noise time.Duration) Loopback {
		return Loopback{
			Calls: n, RTT: spread(25), RTTHigh: spread(140), JitterUp: spread(7), JitterDown: spread(5),
			Noise: spread(noise), Late: spread(2 * noise),
		}
	}
	pacing := func(n int, us time.Duration) Pacing {
		us *= time.Microsecond
		return Pacing{Tickers: n, Late: rtpflow.Quantiles{Count: 75, P50: us, P99: 3 * us}, Wake: rtpflow.Quantiles{Count: 75, P50: us / 2, P99: us}}
	}
	good := &Report{
		Processors: 2, Kernel: true, Trusted: true,
		Pacing:   []Pacing{pacing(1, 24), pacing(50, 28), pacing(200, 60)},
		Loopback: []Loopback{loopback(1, 60), loopback(50, 100), loopback(200, 170), loopback(600, 1400), loopback(500, 900)},
		Capacity: Capacity{State: CapacityFound, Calls: 500, Above: 600},
	}
	bad := &Report{
		Processors: 1,
		Pacing:     []Pacing{pacing(1, 900)},
		Loopback:   []Loopback{loopback(1, 4200), {Calls: 50, Failed: 50}},
		Capacity:   Capacity{State: CapacityUnknown, Why: "its own noise is over the limit with the fewest calls"},
		Reasons:    []string{"packets that had arrived waited 4.2ms for the probe (p99), 1ms is the limit"},
	}
	bad.Pacing[0].Missed, bad.Loopback[0].Missed, bad.Loopback[0].Untrusted = 3, 2, 1
	return map[string]*Report{"good": good, "bad": bad}
}

func TestReportsReadAsTheGoldenFiles(t *testing.T) {
	for name, r := range reports() {
		for format, write := range map[string]func(*bytes.Buffer) error{
			"txt":  func(b *bytes.Buffer) error { return r.Text(b) },
			"json": func(b *bytes.Buffer) error { return r.JSON(b) },
		} {
			t.Run(name+" "+format, func(t *testing.T) {
				var got bytes.Buffer
				if err := write(&got); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join("testdata", name+"."+format)
				if *update {
					if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if got.String() != string(want) {
					t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
				}
			})
		}
	}
}
