package selftest

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/pace"
	"github.com/earshot-voip/earshot/internal/rtpflow"
	"github.com/earshot-voip/earshot/internal/udp"
)

// Pacing is how punctually a number of tickers sent a packet at each slot, and
// how soon the packets were noticed at the other end of loopback. Nothing else
// of a call runs meanwhile.
type Pacing struct {
	Tickers int
	Late    rtpflow.Quantiles // departure against the slot
	Wake    rtpflow.Quantiles // the read against the kernel's receive time
	Missed  int64             // slots
	Drops   uint64            // packets that this host dropped at the receiving socket
}

// packetSize is that of a PCMU packet under SRTP.
const packetSize = 12 + 160 + 16

// measurePacing runs n tickers for a time.
func measurePacing(ctx context.Context, n int, d time.Duration) (_ Pacing, err error) {
	var wake struct {
		sync.Mutex
		rtpflow.Histogram
	}
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	sink, err := udp.Listen(loopback, udp.Config{Batch: 32, Handler: func(p *udp.Packet) bool {
		wake.Lock()
		defer wake.Unlock()
		wake.Add(p.Read - p.At)
		return true
	}})
	if err != nil {
		return Pacing{}, err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	out, err := udp.Listen(loopback, udp.Config{})
	if err != nil {
		return Pacing{}, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()

	p := Pacing{Tickers: n}
	var late rtpflow.Histogram // with sent and Missed of the clock's thread until it is closed
	var sent uint64
	packet := make([]byte, packetSize)
	clock := pace.New()
	for range n {
		clock.Start(20*time.Millisecond, func(s pace.Slot) {
			late.Add(mono.Now() - s.Due)
			if s.N > 0 {
				p.Missed += s.Missed
			}
			if _, err := out.WriteToAddrPort(packet, sink.LocalAddrPort()); err == nil { // one that cannot leave is late all the same
				sent++
			}
		})
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		err = ctx.Err()
	}
	clock.Close()
	arrived(sink, sent)
	p.Late = late.Quantiles()
	wake.Lock()
	p.Wake = wake.Quantiles()
	wake.Unlock()
	p.Drops = sink.Stats().Dropped
	return p, err
}

// arrived waits until the reader has noticed n packets, or the kernel has
// dropped them: those that waited longest are the ones to know of.
func arrived(sink *udp.Conn, n uint64) {
	for end := mono.Now() + time.Second; mono.Now() < end; time.Sleep(time.Millisecond) {
		if s := sink.Stats(); s.Consumed+s.Dropped >= n {
			return
		}
	}
}
