package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// signalingLayers are those that the signalling rung goes through.
var signalingLayers = []Layer{LayerResolve, LayerConnect, LayerTLS, LayerSignaling}

// setUp bounds the signalling rung: the sum of what it may spend on each step.
func (d Deadlines) setUp() time.Duration { return d.Resolve + d.Connect + d.TLS + d.Signaling }

// signal reaches the far end, sends the offer and takes the answer. The trace
// fills the resolve, connect and TLS steps on the way.
func (c *call) signal(ctx context.Context) error {
	c.trace = &signaling.Trace{
		Deadlines: signaling.Deadlines{
			Resolve: c.target.Deadlines.Resolve,
			Connect: c.target.Deadlines.Connect,
			TLS:     c.target.Deadlines.TLS,
			Answer:  c.target.Deadlines.Signaling,
			Hangup:  c.target.Deadlines.Hangup,
		},
		Resolver:     c.target.Resolver,
		RootCAs:      c.target.RootCAs,
		LocalAddress: c.target.LocalAddress,
	}
	dialer, err := newDialer(c.target, c.trace)
	if err != nil {
		return err // not into c.dialer: an adapter's nil in an interface is not nil
	}
	c.dialer = dialer
	if c.session, err = c.dialer.Dial(ctx, c.offer); err != nil {
		return c.explainRefusal(err)
	}
	if err := c.peer.Accept(c.session.Answer()); err != nil {
		return err
	}
	asked := c.codec.Name
	c.codec = c.peer.Codec()
	c.result.Codec = &Codec{Name: c.codec.Name, ClockRate: int(c.codec.ClockRate), Frame: c.codec.Frame, Asked: asked}
	c.result.Deviations = c.peer.Deviations()
	return nil
}

// explainRefusal adds what is known of the offer to a refusal that is about it:
// some endpoints refuse private addresses in the same words as codecs.
func (c *call) explainRefusal(err error) error {
	var status *signaling.StatusError
	if errors.As(err, &status) && statusCode(status.Code) == CodeNotAcceptable {
		if fact := privateOnly(c.offer); fact != "" {
			return fmt.Errorf("%w; %s", err, fact)
		}
	}
	return err
}

// traceSteps copies what the trace saw into the steps below signalling, and the
// exchange itself into the signalling step. The gather step's own time lies
// before all of them.
func (c *call) traceSteps() {
	if c.trace == nil {
		return
	}
	for _, s := range []struct {
		layer Layer
		phase signaling.Phase
	}{
		{LayerResolve, c.trace.Resolve()},
		{LayerConnect, c.trace.Connect()},
		{LayerTLS, c.trace.TLS()},
		{LayerSignaling, c.trace.Exchange()},
	} {
		step := c.step(s.layer)
		if s.phase.State == signaling.PhaseNotRun {
			continue
		}
		step.State = phaseState[s.phase.State]
		step.Start, step.Took = s.phase.Start-c.began, s.phase.Took
		if step.Detail = s.phase.Detail; s.phase.Err != nil {
			step.Detail = s.phase.Err.Error()
		}
		if s.phase.State == signaling.PhaseNotApplicable {
			step.Start, step.Took = 0, 0
		}
	}
	c.noteCertificates(c.trace)
}

var phaseState = map[signaling.PhaseState]State{
	signaling.PhaseOK:            StateOK,
	signaling.PhaseFailed:        StateFailed,
	signaling.PhaseNotApplicable: StateNotApplicable,
}

// candidateCounts renders "2 host, 1 srflx", and what went wrong on the way.
func candidateCounts(counts map[string]int, warnings []string) string {
	var parts []string
	for _, kind := range []string{"host", "srflx", "relay"} {
		if n := counts[kind]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	text := strings.Join(parts, ", ")
	if len(warnings) > 0 {
		text += "; " + strings.Join(slices.Compact(warnings), "; ")
	}
	return text
}

// classifySignaling maps the typed errors of the adapters to layers and codes;
// nil when err is none of them.
func classifySignaling(err error) *Failure {
	var (
		resolve  *signaling.ResolveError
		connect  *signaling.ConnectError
		tls      *signaling.TLSError
		exchange *signaling.ExchangeError
		status   *signaling.StatusError
		redirect *signaling.RedirectError
		answer   *signaling.AnswerError
		ended    *signaling.EndedError
	)
	pick := func(layer Layer, kind signaling.Kind, codes map[signaling.Kind]Code, other Code) *Failure {
		if code, ok := codes[kind]; ok {
			return newFailure(layer, code, err)
		}
		return newFailure(layer, other, err)
	}
	switch {
	// First: the reason why a call that stood has ended may be an error of the others.
	case errors.As(err, &ended) && ended.Err != nil:
		return newFailure(LayerSignaling, CodeDropped, err)
	case errors.As(err, &ended):
		return newFailure(LayerMedia, CodeRemoteHangup, err)
	case errors.As(err, &resolve):
		return pick(LayerResolve, resolve.Kind, resolveCodes, CodeResolveFailed)
	case errors.As(err, &connect):
		return pick(LayerConnect, connect.Kind, connectCodes, CodeConnectUnreachable)
	case errors.As(err, &tls):
		return pick(LayerTLS, tls.Kind, tlsCodes, CodeTLSRefused)
	case errors.As(err, &exchange):
		return pick(LayerSignaling, exchange.Kind, exchangeCodes, CodeSignalingLost)
	case errors.As(err, &status):
		return newFailure(LayerSignaling, statusCode(status.Code), err)
	case errors.As(err, &redirect):
		return newFailure(LayerSignaling, CodeRedirected, err)
	case errors.As(err, &answer):
		return newFailure(LayerSignaling, CodeBadAnswer, err)
	}
	return nil
}

var (
	resolveCodes = map[signaling.Kind]Code{
		signaling.KindNotFound:  CodeNameNotFound,
		signaling.KindNoAddress: CodeNameNotFound,
		signaling.KindTimeout:   CodeResolveTimeout,
	}
	connectCodes = map[signaling.Kind]Code{
		signaling.KindRefused:     CodeConnectRefused,
		signaling.KindTimeout:     CodeConnectTimeout,
		signaling.KindUnreachable: CodeConnectUnreachable,
	}
	tlsCodes = map[signaling.Kind]Code{
		signaling.KindExpired:          CodeTLSExpired,
		signaling.KindNotYetValid:      CodeTLSExpired,
		signaling.KindWrongName:        CodeTLSWrongName,
		signaling.KindUnknownAuthority: CodeTLSUnknownAuthority,
		signaling.KindBadCertificate:   CodeTLSUnknownAuthority,
		signaling.KindTimeout:          CodeTLSTimeout,
	}
	exchangeCodes = map[signaling.Kind]Code{
		signaling.KindTimeout:  CodeNoAnswer,
		signaling.KindProtocol: CodeBadAnswer,
	}
)

// statusCode maps a refusal's status; HTTP, SIP and Janus agree on most of these.
func statusCode(status int) Code {
	switch status {
	case 401, 403, 407:
		return CodeUnauthorized
	case 404, 405, 410, 460, 484, 604: // 460 is Janus' word for a plugin that it does not have
		return CodeNotFound
	case 406, 415, 422:
		return CodeNoCommonCodec
	case 488, 606:
		return CodeNotAcceptable
	case 408:
		return CodeNoAnswer
	case 480:
		return CodeNobodyThere
	case 486, 600:
		return CodeBusy
	case 603, 607, 608:
		return CodeDeclined
	case 429, 500, 502, 503, 504:
		return CodeUnavailable
	}
	return CodeRefused
}
