package pace

import (
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/earshot-voip/earshot/internal/mono"
)

// BenchmarkLateness places the same senders, one packet encrypted and sent
// every 20 ms each, on the clock and on one time.Ticker each, and reports how
// late after its slot a sender ran, and the processor time of the whole
// process. One operation is one frame: use -benchtime=250x for five seconds.
func BenchmarkLateness(b *testing.B) {
	const frame = 20 * time.Millisecond
	for _, calls := range []int{1, 100, 400} {
		b.Run(fmt.Sprintf("way=clock/calls=%d", calls), func(b *testing.B) {
			c := New()
			defer c.Close()
			benchmarkLateness(b, calls, func(send func(due, now time.Duration)) (stop func()) {
				return c.Start(frame, func(s Slot) { send(s.Due, s.Now) }).Stop
			})
		})
		b.Run(fmt.Sprintf("way=time.Ticker/calls=%d", calls), func(b *testing.B) {
			benchmarkLateness(b, calls, func(send func(due, now time.Duration)) (stop func()) {
				return startTicker(frame, send)
			})
		})
	}
}

// startTicker is the plain way: a goroutine and a time.Ticker for each call.
func startTicker(frame time.Duration, send func(due, now time.Duration)) (stop func()) {
	done, joined := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(joined)
		ticker := time.NewTicker(frame)
		defer ticker.Stop()
		first := mono.Now() + frame
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
			}
			now := mono.Now()
			due := first + (now-first)/frame*frame
			send(due, now)
		}
	}()
	return func() { close(done); <-joined }
}

func benchmarkLateness(b *testing.B, calls int, start func(send func(due, now time.Duration)) (stop func())) {
	const frame = 20 * time.Millisecond
	sink, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer sink.Close()
	to := netip.MustParseAddrPort(sink.LocalAddr().String())
	go func() {
		buf := make([]byte, 2048)
		for {
			if _, _, err := sink.ReadFromUDPAddrPort(buf); err != nil {
				return
			}
		}
	}()
	block, _ := aes.NewCipher(make([]byte, 16))
	gcm, _ := cipher.NewGCM(block)

	var mu sync.Mutex
	var counting bool
	var late []time.Duration
	var stops []func()
	for range calls {
		sock, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			b.Fatal(err)
		}
		defer sock.Close()
		var nonce [12]byte
		packet, out := make([]byte, 160), make([]byte, 0, 200)
		stops = append(stops, start(func(due, now time.Duration) {
			mu.Lock()
			if counting {
				late = append(late, now-due)
			}
			mu.Unlock()
			_, _ = sock.WriteToUDPAddrPort(gcm.Seal(out, nonce[:], packet, nil), to)
		}))
		time.Sleep(frame / time.Duration(calls)) // calls do not begin together
	}
	time.Sleep(5 * frame)
	mu.Lock()
	counting, late = true, make([]time.Duration, 0, 1<<20)
	mu.Unlock()
	before := processorTime()
	for b.Loop() {
		time.Sleep(frame)
	}
	spent, elapsed := processorTime()-before, b.Elapsed()
	for _, stop := range stops {
		stop()
	}
	slices.Sort(late)
	us := func(p float64) float64 { return float64(late[int(p*float64(len(late)-1))]) / 1e3 }
	b.ReportMetric(us(0.5), "p50-µs")
	b.ReportMetric(us(0.99), "p99-µs")
	b.ReportMetric(us(1), "max-µs")
	b.ReportMetric(100*float64(spent)/float64(elapsed), "cpu-%")
	b.ReportMetric(0, "ns/op")
}

func processorTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
