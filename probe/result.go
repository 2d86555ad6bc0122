package probe

import (
	"net/netip"
	"slices"
	"time"

	"github.com/earshot-voip/earshot/internal/rtpflow"
)

// Layer is one rung of the ladder of a call.
type Layer string

// The ten layers, from the bottom up.
const (
	LayerResolve   Layer = "resolve"
	LayerConnect   Layer = "connect"
	LayerTLS       Layer = "tls"
	LayerSignaling Layer = "signaling"
	LayerGather    Layer = "gather"
	LayerICE       Layer = "ice"
	LayerDTLS      Layer = "dtls"
	LayerMedia     Layer = "media"
	LayerAudio     Layer = "audio"
	LayerQuality   Layer = "quality"
)

// Layers lists all layers from the bottom up. Every result has a step for each.
var Layers = []Layer{
	LayerResolve, LayerConnect, LayerTLS, LayerSignaling, LayerGather,
	LayerICE, LayerDTLS, LayerMedia, LayerAudio, LayerQuality,
}

// State is how a step ended.
type State string

// The states of a step.
const (
	StateOK            State = "ok"
	StateDegraded      State = "degraded"
	StateFailed        State = "failed"
	StateNotRun        State = "not_run"        // a lower layer broke first
	StateNotApplicable State = "not_applicable" // the target has no such layer
)

// Step is one rung as it was climbed.
type Step struct {
	Layer  Layer
	State  State
	Start  time.Duration // since the start of the call
	Took   time.Duration // zero unless the step ran
	Detail string        // facts for a reader, one line
}

// Verdict is the outcome of a call in one word.
type Verdict string

// The verdicts.
const (
	Good      Verdict = "good"
	Degraded  Verdict = "degraded"  // every layer works, the quality is under a limit
	Failed    Verdict = "failed"    // a layer broke
	Untrusted Verdict = "untrusted" // the probe could not measure, or nothing is known
)

// Failure says which layer broke first. Code is stable: scripts and alerts rely
// on it. Hint names the next thing to do.
type Failure struct {
	Layer Layer
	Code  Code
	Hint  string
	Err   error
}

// Result is all that a call found out, also when it failed. It is a plain
// value: nothing in it changes after Run returned it.
type Result struct {
	ID      string
	Name    string
	Site    string
	Target  string // without secrets
	Started time.Time
	Elapsed time.Duration

	Verdict Verdict
	Summary string // one sentence that a technician can read aloud
	Failure *Failure
	Steps   []Step // one per layer, in the order of Layers

	FirstMedia time.Duration // start of the call to the first echoed packet; zero: none came
	Codec      *Codec        // nil until agreed on
	Route      *Route        // nil until connected
	Echo       EchoKind
	Deviations []string // what the far end's session description left out

	// Opinions are what the far end said of the quality in its own words. They are
	// no part of the verdict.
	Opinions []Opinion

	Certificates []Certificate // of the hops that used TLS: signalling, and TURN servers

	Uplink    Direction // probe to echo: what the far end hears
	Downlink  Direction // echo to probe
	RoundTrip RoundTrip
	Audio     Audio
	Self      Self

	Windows        []Window // the last MaxWindows of the call; of these the last MaxSpreads have histograms
	WindowsDropped int      // windows older than those
}

// MaxWindows is how many windows a result keeps: an hour at the default length.
// Target.OnWindow is told of every window.
const MaxWindows = 720

// MaxSpreads is how many of the windows that a result keeps have histograms, so
// that calls of hours stay small: five minutes at the default length.
const MaxSpreads = 60

// Codec is the codec of the call.
type Codec struct {
	Name      string
	ClockRate int           // Hz
	Frame     time.Duration // audio per packet
	Asked     string        // the codec that the offer named first; another one if the far end chose
}

// Endpoint is one end of a route.
type Endpoint struct {
	Address  netip.AddrPort
	Type     string // host, srflx, prflx, relay
	Protocol string // udp, tcp
}

// Route is the candidate pair that media took.
type Route struct {
	Local, Remote Endpoint
	Relayed       bool
	// Server is the TURN server on this side, as a URL without credentials, and
	// Transport how it is reached: udp, tcp or tls. Empty unless Relayed.
	Server, Transport string
	DSCP, TTL         int // that returned media arrived with; -1: unknown
}

// Certificate says until when the TLS certificate of a hop is valid.
type Certificate struct {
	Hop      string // host:port
	NotAfter time.Time
}

// Opinion is a far end's view of the call, as its protocol carried it.
type Opinion struct {
	Source string   // where it was said: the name of the header
	Text   string   // as it was said
	MOS    *float64 // nil when the text says none
}

// EchoKind is what kind of echo answered: it decides which direction a figure
// can be attributed to.
type EchoKind string

// The kinds of echo.
const (
	EchoStamping   EchoKind = "stamping"   // returns our sequence number and its own times with each packet
	EchoReflector  EchoKind = "reflector"  // sequence number and timestamp survive
	EchoRebuilder  EchoKind = "rebuilder"  // only the payload survives
	EchoTranscoder EchoKind = "transcoder" // only the audio's content survives
	EchoUnknown    EchoKind = "unknown"
)

// Evidence is where the figures of a direction come from.
type Evidence string

// The kinds of evidence.
const (
	EvidenceStamps   Evidence = "stamps"   // the echo's stamps: exact per packet
	EvidenceSequence Evidence = "sequence" // sequence numbers of what came back
	EvidenceRTCP     Evidence = "rtcp"     // the far end's receiver reports: loss and jitter only
	EvidenceNone     Evidence = "none"     // nothing is known
)

// Known reports whether anything is known of the direction.
func (e Evidence) Known() bool { return e != EvidenceNone && e != "" }

// PerPacket reports whether the evidence knows single packets, so that
// duplicates, bursts, discards and delay variation are known too.
func (e Evidence) PerPacket() bool { return e == EvidenceStamps || e == EvidenceSequence }

// Direction holds the figures of one direction. Those that the evidence does
// not cover are meaningless; ask Evidence first.
type Direction struct {
	Evidence Evidence

	Expected, Received, Lost int64
	Duplicated, Reordered    int64
	Discarded                int64 // came too late for the modelled de-jitter buffer
	Unknown                  int64 // packets whose fate nothing tells

	Jitter, JitterMax time.Duration // RFC 3550, A.8: at the end, and its maximum
	JitterMean        time.Duration
	Variation         Quantiles // delay over the smallest delay
	Burst             Burst
	PlayoutDepth      time.Duration // of the modelled de-jitter buffer, mean
	RouteChanges      int           // steps of the smallest delay
	DriftPPM          float64       // of the sender's clock against ours; 0: not known

	Score *Score // nil: not enough is known to score it
}

// LossRatio is lost over expected, or 0 when nothing was expected.
func (d Direction) LossRatio() float64 { return ratio(d.Lost, d.Expected) }

// DiscardRatio is discarded over expected, or 0 when nothing was expected.
func (d Direction) DiscardRatio() float64 { return ratio(d.Discarded, d.Expected) }

func ratio(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// Burst holds the burst and gap metrics of RFC 3611, 4.7.2 (Gmin 16), over
// losses and discards, and the burst ratio of G.107 before clamping.
type Burst struct {
	Count       int64
	Density     float64
	Duration    time.Duration
	GapDensity  float64
	GapDuration time.Duration
	R           float64
}

// Quantiles of a distribution; all zero when Count is.
type Quantiles struct {
	Count                   int64
	Min, P50, P95, P99, Max time.Duration
}

// Score is the E-model's rating of a direction (package mos).
type Score struct {
	Scale                          string // nb, wb, fb
	R, MOS                         float64
	MOSLow, MOSHigh                float64 // 95 % interval from the loss count
	MOSListening                   float64 // without the cost of delay
	DelayCost, LossCost, CodecCost float64 // R points
	OneWayDelay                    time.Duration
}

// RoundTrip holds what was measured there and back.
type RoundTrip struct {
	Sent, Returned int64
	RTT            Quantiles // the echo's hold time taken out where it is known
	// Reported is the round trip by the far end's last reception report (LSR and
	// DLSR, RFC 3550, 6.4.1); zero: it sent none that tells.
	Reported time.Duration
}

// LossRatio is the share of sent packets that did not return.
func (r RoundTrip) LossRatio() float64 {
	if r.Returned >= r.Sent {
		return 0
	}
	return ratio(r.Sent-r.Returned, r.Sent)
}

// AudioState is what came back as audio.
type AudioState string

// The states of the audio.
const (
	AudioOK         AudioState = "ok"
	AudioSilent     AudioState = "silent"  // nothing audible: silence, comfort noise, or no media at all
	AudioWrong      AudioState = "wrong"   // not the clip that was sent
	AudioOneWay     AudioState = "one_way" // nothing came back, though the far end gets our media
	AudioNotChecked AudioState = "not_checked"
)

// Audio is the verdict on what returned: of a call, or of a window of it. It
// counts frames of 20 ms.
type Audio struct {
	State   AudioState
	Checked int64 // frames compared with the clip: those below, and what is something else
	Matched int64 // bit for bit the frame that was sent
	// Recognised frames are ours by correlation: the far end decoded them and
	// encoded them again, or cut them anew. Where the clip itself pauses, such
	// audio is not counted at all.
	Recognised int64
	Silent     int64 // nothing audible where the clip speaks
	Noise      int64 // comfort noise where the clip speaks

	LevelDBOV       *float64 // of all that came; nil, as the others: not measured
	ActiveLevelDBOV *float64 // of the speech in it (ITU-T P.56, method B)
	GainDB          *float64 // of what is ours, against how it was sent
	ClippingRatio   *float64 // share of samples that are clipped

	// Delay is how far what came back lies behind what was sent, from the
	// departure of a sample to its arrival: all that the network and the far end
	// add. DelayAccuracy is half the width of its 95 % interval.
	Delay         *time.Duration
	DelayAccuracy time.Duration
	// MouthToEar adds what a telephone at this end adds: the packet that is
	// filled, the codec's look-ahead, and the modelled de-jitter buffer.
	MouthToEar *time.Duration

	// Missing is how much of what was sent was never heard again, for whatever
	// reason, and GapCount in how many gaps. Gaps are the longest of them, in order
	// of time. Known of a call, not of a window.
	Missing  time.Duration
	GapCount int64
	Gaps     []Gap
}

// Gap is a stretch of the sent audio that was not heard again.
type Gap struct {
	Start, Length time.Duration // on the time of the clip as it was sent
}

// Ours is how many frames were ours, bit for bit or by correlation.
func (a Audio) Ours() int64 { return a.Matched + a.Recognised }

// MatchRatio is the share of compared frames that were ours.
func (a Audio) MatchRatio() float64 { return ratio(a.Ours(), a.Checked) }

// SilentRatio is the share of compared frames in which nothing was heard.
func (a Audio) SilentRatio() float64 { return ratio(a.Silent+a.Noise, a.Checked) }

// OtherRatio is the share of compared frames that were something else.
func (a Audio) OtherRatio() float64 {
	return ratio(a.Checked-a.Ours()-a.Silent-a.Noise, a.Checked)
}

// Self is the instrument's own error during the call.
type Self struct {
	Trusted          bool
	Reasons          []string  // why not
	KernelTimestamps bool      // arrival times are the kernel's, not those of the read
	SendLate         Quantiles // until the system call that sent it was over
	SlotsMissed      int64
	SendStalls       int64 // packets that left at a time not known to 0.2 ms; they give no transit or round-trip time
	ReceiveWake      Quantiles
	SocketDrops      int64 // datagrams dropped at our own sockets
	SendErrors       int64
}

// Window is a stretch of a call, closed when the fate of its packets is known.
type Window struct {
	Start, Length    time.Duration // since media began
	Uplink, Downlink Direction
	Sent, Returned   int64     // packets sent in the window, and how many of these came back
	RTT              Quantiles // of packets that came back in the window
	RTTs             Histogram // of the same packets
	Trusted          bool      // the instrument's own error was small enough in this window
	Self             WindowSelf

	// The call as it stood when the window closed.
	Codec *Codec
	Route *Route // nil: not known
	Echo  EchoKind
	Audio Audio // of what arrived during the window
}

// WindowSelf is the instrument's own error during a window.
type WindowSelf struct {
	SendLate    Histogram
	SlotsMissed int64
	ReceiveWake Histogram
}

// Histogram counts durations so that histograms of windows, calls and targets
// can be added up.
type Histogram struct {
	Count   int64
	Sum     time.Duration
	Buckets []Bucket // those that are not empty, in order
}

// Bucket counts durations over the bound of the bucket before, up to and with
// its own. Bounds are 2^(k/8) s, as in a native histogram of Prometheus of schema
// 3, and the round ones of HistogramMarks; 2^-20 s is the first, +Inf the last.
type Bucket struct {
	Upper float64 // seconds
	Count int64
}

// HistogramMarks lists the round bounds, in seconds, up to which every Histogram
// counts exactly.
func HistogramMarks() []float64 { return slices.Clone(rtpflow.Marks) }
