package signaling

import (
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// Deadlines bound the steps of a dial, each by itself; zero takes the default.
type Deadlines struct {
	Resolve, Connect, TLS time.Duration // 5 s each
	Answer                time.Duration // from the request to the complete answer; 10 s
	Hangup                time.Duration // from the call of Hangup to its return; 2 s
}

// WithDefaults returns d with zero fields filled in.
func (d Deadlines) WithDefaults() Deadlines {
	for _, field := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&d.Resolve, 5 * time.Second},
		{&d.Connect, 5 * time.Second},
		{&d.TLS, 5 * time.Second},
		{&d.Answer, 10 * time.Second},
		{&d.Hangup, 2 * time.Second},
	} {
		if *field.value <= 0 {
			*field.value = field.fallback
		}
	}
	return d
}

// Trace opens the connections of one call for its adapter and records how each
// step of that went. The zero value is ready to use; the exported fields must
// not change after the first dial.
//
// Its methods may be called from any goroutine.
type Trace struct {
	Deadlines Deadlines
	// Resolver looks up host names; nil is net.DefaultResolver. IP literals are
	// not looked up.
	Resolver *net.Resolver
	// RootCAs are trusted to sign certificates; nil trusts the system's.
	RootCAs *x509.CertPool
	// LocalAddress, when valid, is the source of every connection; addresses
	// of the other family are then not tried.
	LocalAddress netip.Addr

	mu       sync.Mutex
	sealed   bool
	hops     []*Hop
	exchange Phase
}

// PhaseState is how a phase ended.
type PhaseState string

// The states of a phase.
const (
	PhaseNotRun        PhaseState = ""
	PhaseOK            PhaseState = "ok"
	PhaseFailed        PhaseState = "failed"
	PhaseNotApplicable PhaseState = "not_applicable" // an address literal needs no resolving, plain HTTP no TLS
)

// Phase is one step on the way to a session.
type Phase struct {
	State  PhaseState
	Start  time.Duration // on the process clock (package mono)
	Took   time.Duration
	Detail string // facts for a reader, one line
	Err    error  // why it failed
}

// Hop is one connection, or the attempt at one. A dial has several when it is
// redirected.
type Hop struct {
	Address               string // host:port as dialled
	Resolve, Connect, TLS Phase

	Addresses     []netip.AddrPort // what the name resolved to
	Attempts      []Attempt        // in the order in which they began
	Local, Remote netip.AddrPort   // of the connection

	TLSVersion, CipherSuite string
	Protocol                string // negotiated by ALPN, may be empty
	// NotAfter is when the peer's certificate chain stops being valid: the
	// earliest end in the verified chain, or that of the peer's own certificate
	// when it did not verify. Zero when none was seen.
	NotAfter time.Time
	Chain    []Certificate // as the peer sent it, its own first

	asked bool // the peer wanted a certificate of ours
}

// Certificate is what a reader wants to know of one.
type Certificate struct {
	Subject, Issuer     string
	Names               []string // DNS names and addresses
	NotBefore, NotAfter time.Time
}

// Resolve returns the name resolution of all hops as one phase.
func (t *Trace) Resolve() Phase { return t.phase(func(h *Hop) Phase { return h.Resolve }) }

// Connect returns the TCP connects of all hops as one phase.
func (t *Trace) Connect() Phase { return t.phase(func(h *Hop) Phase { return h.Connect }) }

// TLS returns the TLS handshakes of all hops as one phase.
func (t *Trace) TLS() Phase { return t.phase(func(h *Hop) Phase { return h.TLS }) }

// Exchange returns the phase that the adapter recorded with RecordExchange:
// from its request to the answer.
func (t *Trace) Exchange() Phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.exchange
}

// Hops returns a copy of every hop so far, in the order of their dialling.
func (t *Trace) Hops() []Hop {
	t.mu.Lock()
	defer t.mu.Unlock()
	hops := make([]Hop, len(t.hops))
	for i, h := range t.hops {
		hops[i] = *h
		hops[i].Addresses = slices.Clone(h.Addresses)
		hops[i].Attempts = slices.Clone(h.Attempts)
		hops[i].Chain = slices.Clone(h.Chain)
	}
	return hops
}

// RecordExchange stores how the adapter's own exchange went: start is on the
// process clock, took counts the waiting for the far end alone.
func (t *Trace) RecordExchange(start, took time.Duration, detail string, err error) {
	p := Phase{State: PhaseOK, Start: start, Took: took, Detail: detail, Err: err}
	if err != nil {
		p.State = PhaseFailed
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.sealed {
		t.exchange = p
	}
}

// Seal ends the recording: later dials (a hang-up on a new connection) work as
// before and leave no mark. Adapters seal when Dial returns.
func (t *Trace) Seal() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sealed = true
}

// phase sums one phase over the hops: the times of those that ran add up, the
// first failure stands for all.
func (t *Trace) phase(of func(*Hop) Phase) Phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	var (
		sum     Phase
		details []string
	)
	for _, h := range t.hops {
		p := of(h)
		switch p.State {
		case PhaseNotRun:
			continue
		case PhaseNotApplicable:
			if sum.State == PhaseNotRun {
				sum.State = PhaseNotApplicable
			}
		default:
			if sum.State != PhaseOK && sum.State != PhaseFailed {
				sum.Start = p.Start
			}
			if sum.State != PhaseFailed {
				sum.State, sum.Err = p.State, p.Err
			}
			sum.Took += p.Took
		}
		if p.Detail != "" && !slices.Contains(details, p.Detail) {
			details = append(details, p.Detail)
		}
	}
	sum.Detail = strings.Join(details, ", then ")
	return sum
}

// ended makes a phase that ends at the time of the call.
func ended(start time.Duration, detail string, err error) Phase {
	p := Phase{State: PhaseOK, Start: start, Took: mono.Now() - start, Detail: detail, Err: err}
	if err != nil {
		p.State = PhaseFailed
	}
	return p
}
