package probe

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/mono"
	"github.com/earshot-voip/earshot/internal/peer"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// call is one call while it runs. Its steps run one after the other on the
// goroutine of Run.
type call struct {
	target     Target
	codec      media.Codec // the one to be asked for first; once there is an answer, the one agreed on
	result     Result
	began      time.Duration // on internal/mono
	failure    *Failure
	mediaStart time.Duration // start of the first window; 0: none closed yet
	lastTrip   time.Duration // there and back, as far as is known; 0: nothing is

	peer     *peer.Peer
	offer    string
	trace    *signaling.Trace
	servers  *signaling.Trace // to STUN and TURN servers
	dialer   signaling.Dialer
	session  signaling.Session
	exchange *exchange // nil before the gather step; so is the ear
	ear      *ear
}

// prepare makes a call to a target that can be called. It takes a pointer to keep
// copies of the target off the stack that lasts as long as the call.
func prepare(t *Target) (*call, error) {
	if err := t.Validate(); err != nil {
		return nil, fmt.Errorf("target cannot be called: %w", err)
	}
	return newCall(t.WithDefaults())
}

func newCall(t Target) (*call, error) {
	codec, err := media.Lookup(t.Codec)
	if err != nil {
		return nil, err
	}
	if t.ID == "" {
		var id [8]byte
		if _, err := rand.Read(id[:]); err != nil {
			return nil, err
		}
		t.ID = hex.EncodeToString(id[:])
	}
	t.Trust = t.Trust.withDefaults(codec.Frame)
	c := &call{target: t, codec: codec, began: mono.Now()}
	u, err := url.Parse(t.URL)
	if err != nil {
		return nil, err
	}
	c.result = Result{
		ID:       t.ID,
		Name:     t.Name,
		Site:     t.Site,
		Target:   redact(u),
		Started:  time.Now(),
		Echo:     EchoUnknown,
		Uplink:   Direction{Evidence: EvidenceNone},
		Downlink: Direction{Evidence: EvidenceNone},
		Audio:    Audio{State: AudioNotChecked},
	}
	for _, l := range Layers {
		c.result.Steps = append(c.result.Steps, Step{Layer: l, State: StateNotRun})
	}
	return c, nil
}

// step returns the place of a layer's step in the result.
func (c *call) step(l Layer) *Step {
	return &c.result.Steps[slices.Index(Layers, l)]
}

// detail notes facts about a layer, for a reader.
func (c *call) detail(l Layer, text string) { c.step(l).Detail = text }

// finish notes how a step ended and tells the observer. A state that the step
// set itself stays.
func (c *call) finish(l Layer, s State, start, took time.Duration) {
	step := c.step(l)
	if step.State == StateNotRun {
		step.State = s
	}
	step.Start, step.Took = start-c.began, took
	if l == LayerSignaling {
		c.traceSteps()
	}
	if l == LayerSignaling {
		c.observe(signalingLayers...)
		return
	}
	c.observe(l)
}

// fail notes that a rung broke, and on which layer. The rung's own layer and
// the broken one differ when a rung covers several.
func (c *call) fail(rung, broken Layer, start, took time.Duration) {
	step := c.step(broken)
	if broken == rung {
		step.Start, step.Took = start-c.began, took
	}
	if rung == LayerSignaling {
		c.traceSteps()
	}
	step.State = StateFailed
	step.Detail = c.failure.Err.Error()
	if rung == LayerSignaling {
		c.observe(signalingLayers...)
		return
	}
	c.observe(broken)
}

// observe tells the observer of the steps of layers that ran. The signalling
// rung stands for several.
func (c *call) observe(layers ...Layer) {
	if c.target.OnStep == nil {
		return
	}
	for _, l := range layers {
		if s := *c.step(l); s.State != StateNotRun {
			c.target.OnStep(s)
		}
	}
}

// gather opens sockets, finds candidates and writes the offer.
func (c *call) gather(ctx context.Context) error {
	dscp, err := c.target.DSCP.codePoint()
	if err != nil {
		return err
	}
	c.exchange = newExchange(c.target.Trust)
	c.ear = &ear{x: c.exchange}
	local := c.localAddress()
	_, loopback := onLoopback(c.target.server())
	c.servers = &signaling.Trace{
		Resolver: c.target.Resolver, RootCAs: c.target.RootCAs, LocalAddress: local,
		Deadlines: signaling.Deadlines{Resolve: c.target.Deadlines.Resolve, Connect: c.target.Deadlines.Connect, TLS: c.target.Deadlines.TLS},
	}
	defer c.noteCertificates(c.servers)
	config := peer.Config{
		Codecs:       c.offered(),
		ICEServers:   iceServers(c.target.ICEServers),
		Dialer:       c.servers,
		Relay:        relayPolicy[c.target.Relay],
		Loopback:     loopback || local.IsLoopback(),
		LocalAddress: local,
		DSCP:         dscp,
		Stamps:       true,
		OnRTP:        c.exchange.received,
		OnRTCP:       c.exchange.receivedRTCP,
		Log:          c.target.Log,

		ConsentTimeout: c.target.Deadlines.Consent,
	}
	if c.peer, err = peer.New(config); err != nil {
		return err
	}
	if c.offer, err = c.peer.Offer(ctx); err != nil {
		return err
	}
	c.detail(LayerGather, candidateCounts(c.peer.LocalCandidates(), c.peer.GatherWarnings()))
	return nil
}

// offered are the codecs of the offer. An offer of one alone is refused by
// endpoints that have to transcode nothing else.
func (c *call) offered() []media.Codec {
	if c.target.CodecOnly {
		return []media.Codec{c.codec}
	}
	return media.Preferring(c.codec)
}

// localAddress is the only address that media may use; not valid: any.
func (c *call) localAddress() netip.Addr {
	if literal, loopback := onLoopback(c.target.server()); loopback && !c.target.LocalAddress.IsValid() {
		return literal
	}
	return c.target.LocalAddress
}

// noteCertificates keeps how long the certificates of a trace's hops are valid.
func (c *call) noteCertificates(t *signaling.Trace) {
	for _, hop := range t.Hops() {
		one := Certificate{Hop: hop.Address, NotAfter: hop.NotAfter}
		if !one.NotAfter.IsZero() && !slices.Contains(c.result.Certificates, one) {
			c.result.Certificates = append(c.result.Certificates, one)
		}
	}
}

// connect waits for a candidate pair.
func (c *call) connect(ctx context.Context) error {
	route, err := c.peer.WaitICE(ctx)
	if err != nil {
		return err
	}
	c.noteRoute(route)
	return nil
}

func (c *call) noteRoute(route peer.Route) {
	if !route.Local.Address.IsValid() {
		return // lost again in the meantime; the last one known stays
	}
	stats := c.peer.Stats()
	r := &Route{
		Local: Endpoint(route.Local), Remote: Endpoint(route.Remote), Relayed: route.Relayed,
		DSCP: stats.DSCP, TTL: stats.TTL,
	}
	text := fmt.Sprintf("%s %v ↔ %s %v", r.Local.Type, r.Local.Address, r.Remote.Type, r.Remote.Address)
	if r.Relayed {
		r.Server, r.Transport = route.Server.String(), string(route.Server.Transport)
		text += ", through " + r.Server
	}
	if old := c.result.Route; old == nil || *old != *r {
		c.result.Route = r // else the windows of hours share one
	}
	if stats.RoleConflict {
		text += ", after a conflict of ICE roles"
	}
	c.detail(LayerICE, text)
}

// secure shakes hands and derives the media keys.
func (c *call) secure(ctx context.Context) error {
	info, err := c.peer.WaitDTLS(ctx)
	if err != nil {
		return err
	}
	role := "server"
	if info.Client {
		role = "client"
	}
	c.detail(LayerDTLS, strings.TrimPrefix(info.Profile, "SRTP_")+", this side is the "+role)
	return nil
}

// hangUp ends the call on every layer, whatever became of it. It has its own
// deadline: an interrupted call is hung up all the same.
func (c *call) hangUp() {
	if c.exchange != nil {
		c.exchange.stop()
		c.ear.settle()
	}
	if c.session != nil {
		ctx, cancel := context.WithTimeout(context.Background(), c.target.Deadlines.Hangup)
		defer cancel()
		if err := c.session.Hangup(ctx); err != nil {
			c.target.Log.Warn("hang-up failed", "target", c.result.Target, "error", err)
		}
		c.result.Opinions = opinions(c.session)
	}
	if c.dialer != nil {
		if err := c.dialer.Close(); err != nil {
			c.target.Log.Warn("a call may still be open at the far end", "target", c.result.Target, "error", err)
		}
	}
	if c.peer != nil {
		_ = c.peer.Close()
	}
}

// report completes the result.
func (c *call) report() *Result {
	r := &c.result
	r.Failure = c.failure
	r.Elapsed = mono.Now() - c.began
	r.Verdict, r.Summary = c.verdict()
	return r
}

// opinions are what the far end said of the call, with its hang-up at the latest.
func opinions(s signaling.Session) []Opinion {
	source, ok := s.(signaling.OpinionSource)
	if !ok {
		return nil
	}
	var list []Opinion
	for _, o := range source.Opinions() {
		list = append(list, Opinion(o))
	}
	return list
}

var relayPolicy = map[Relay]peer.Relay{
	RelayAuto: peer.RelayAuto, RelayOnly: peer.RelayOnly, RelayNever: peer.RelayNever,
}
