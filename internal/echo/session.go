package echo

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtcp"

	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/peer"
)

// Times of a session.
const (
	// reportPause bounds how often a caller's report may call for one of ours.
	reportPause = 100 * time.Millisecond

	tooLong = "the longest call allowed is over"
)

// Call is what the endpoint knows of a finished call.
type Call struct {
	ID       string        `json:"id"`
	Caller   netip.Addr    `json:"caller"` // of the signalling
	Started  time.Time     `json:"started"`
	Seconds  float64       `json:"seconds"`
	Codec    string        `json:"codec"`
	Stamped  bool          `json:"stamped"` // the caller asked for stamps and got them
	Ended    string        `json:"ended"`   // why
	Uplink   impair.Ledger `json:"uplink"`  // caller to endpoint
	Downlink impair.Ledger `json:"downlink"`
}

// session is one call.
type session struct {
	id      string
	host    netip.Addr
	server  *Server
	started time.Time
	peer    *peer.Peer
	media   *reflection

	hangUpOnce sync.Once
	hangUpAsk  chan string   // the reason, once
	poke       chan struct{} // a report is wanted now
	over       chan struct{} // closed when everything is ended
}

// answer takes a call: it reserves a place, answers the offer and lets the
// session run.
func (s *Server) answer(ctx context.Context, host, advertise netip.Addr, offer string) (*session, string, error) {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, "", err
	}
	one := &session{
		id:        hex.EncodeToString(id[:]),
		host:      host,
		server:    s,
		started:   time.Now(),
		hangUpAsk: make(chan string, 1),
		poke:      make(chan struct{}, 1),
		over:      make(chan struct{}),
	}
	if err := s.admit(one); err != nil {
		return nil, "", err
	}
	answer, err := one.open(ctx, advertise, offer)
	if err != nil {
		if one.peer != nil {
			_ = one.peer.Close()
		}
		s.release(one)
		return nil, "", err
	}
	go one.run()
	return one, answer, nil
}

func (one *session) open(ctx context.Context, advertise netip.Addr, offer string) (string, error) {
	config := &one.server.config
	one.server.join(one)
	p, err := peer.New(peer.Config{
		Codecs:    codecs(),
		Port:      one.server.port,
		Advertise: advertise,
		Stamps:    !config.NoStamps,
		OnRTP:     one.media.received,
		OnRTCP:    one.receivedRTCP,
		Log:       config.Log,
	})
	if err != nil {
		return "", err
	}
	one.peer = p
	answer, err := p.Answer(ctx, offer)
	if err != nil {
		return "", err
	}
	one.media.attach(p)
	return answer, nil
}

// hangUp asks the session to end. It does not wait.
func (one *session) hangUp(reason string) {
	one.hangUpOnce.Do(func() { one.hangUpAsk <- reason })
}

// run is the session from its answer to its end.
func (one *session) run() {
	ctx, cancel := context.WithCancel(context.Background())
	reason := one.serve(ctx)
	_ = one.peer.Close()
	cancel()
	one.media.wait()
	one.server.config.Log.Info("call ended", "id", one.id, "caller", one.host, "reason", reason)
	if end := one.server.config.OnEnd; end != nil {
		end(one.summary(reason))
	}
	one.server.release(one) // last: Close waits for it
	close(one.over)
}

// serve sets the call up and keeps it until somebody ends it. It returns why.
func (one *session) serve(ctx context.Context) string {
	if err := one.establish(ctx); err != nil {
		return err.Error()
	}
	one.media.start(ctx)
	due := time.NewTimer(peer.ReportInterval(true))
	defer due.Stop()
	limit := time.NewTimer(one.server.config.MaxDuration)
	defer limit.Stop()
	var reported time.Duration
	for {
		select {
		case <-due.C:
		case <-one.poke:
			if mono.Now()-reported < reportPause {
				continue
			}
		case reason := <-one.hangUpAsk:
			one.report(reason)
			return reason
		case <-limit.C:
			one.report(tooLong)
			return tooLong
		case <-one.peer.Done():
			return one.peer.Err().Error()
		}
		reported = mono.Now()
		one.report("")
		due.Reset(peer.ReportInterval(false))
	}
}

// establish waits for ICE and DTLS, or for a hang-up before they are done.
func (one *session) establish(ctx context.Context) error {
	ctx, stop := context.WithTimeoutCause(ctx, one.server.config.SetupTimeout,
		errors.New("the caller did not set up its media in time"))
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case reason := <-one.hangUpAsk:
			cancel(errors.New(reason))
			one.hangUpAsk <- reason // serve may be the one to see it
		case <-ctx.Done():
		}
	}()
	_, err := one.peer.WaitICE(ctx)
	if err == nil {
		_, err = one.peer.WaitDTLS(ctx)
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// report sends a compound RTCP packet; bye ends the call with a reason.
func (one *session) report(bye string) {
	r := one.media.report(mono.Now())
	r.Bye = bye
	if err := one.peer.WriteReport(r); err != nil {
		one.server.config.Log.Debug("report not sent", "id", one.id, "error", err)
	}
}

// receivedRTCP answers a caller's sender report with one of ours: at the end of
// a call it settles the fate of the last packets.
func (one *session) receivedRTCP(at time.Duration, raw []byte) {
	packets, err := rtcp.Unmarshal(raw)
	if err != nil {
		return
	}
	one.media.receivedRTCP(at, packets)
	for _, p := range packets {
		switch p.(type) {
		case *rtcp.SenderReport:
			select {
			case one.poke <- struct{}{}:
			default:
			}
		case *rtcp.Goodbye:
			one.hangUp("the caller said goodbye")
		}
	}
}

func (one *session) summary(reason string) Call {
	call := Call{
		ID:      one.id,
		Caller:  one.host,
		Started: one.started.UTC().Truncate(time.Millisecond),
		Seconds: time.Since(one.started).Round(time.Millisecond).Seconds(),
		Codec:   one.peer.Codec().Name,
		Stamped: one.peer.StampID() != 0,
		Ended:   reason,
	}
	call.Uplink, call.Downlink = one.media.ledgers()
	return call
}
