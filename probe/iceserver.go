package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/netcheck"
	"github.com/earshot-voip/earshot/internal/signaling"
)

// validate reports a server URL that is not one (RFC 7064, RFC 7065), or a TURN
// server without credentials, which no server accepts.
func (s ICEServer) validate() error {
	l, err := iceserver.Server(s).Locate()
	if err != nil {
		return err
	}
	if l.TURN && (s.Username == "" || s.Password == "") {
		return fmt.Errorf("%s needs a username and a password", s.URL)
	}
	return nil
}

func hasTURN(servers []ICEServer) bool {
	return slices.ContainsFunc(servers, func(s ICEServer) bool { return strings.HasPrefix(strings.ToLower(s.URL), "turn") })
}

func iceServers(servers []ICEServer) []iceserver.Server {
	var list []iceserver.Server
	for _, s := range servers {
		list = append(list, iceserver.Server(s))
	}
	return list
}

// usable are the servers that the relay policy leaves.
func (t Target) usable() []ICEServer {
	return slices.DeleteFunc(slices.Clone(t.ICEServers), func(s ICEServer) bool {
		turn := hasTURN([]ICEServer{s})
		return t.Relay == RelayNever && turn || t.Relay == RelayOnly && !turn
	})
}

// serverCode is the code of what a server did not do.
func serverCode(e *iceserver.Error) Code {
	var (
		resolve *signaling.ResolveError
		secure  *signaling.TLSError
	)
	switch {
	case errors.As(e, &resolve):
		return CodeTURNNotFound
	case errors.As(e, &secure):
		if code, ok := turnTLSCodes[secure.Kind]; ok {
			return code
		}
		return CodeTURNTLSRefused
	case !e.Server.TURN:
		return CodeSTUNNoResponse
	}
	if code, ok := turnCodes[e.Kind]; ok {
		return code
	}
	return CodeTURNRefused
}

var (
	turnTLSCodes = map[signaling.Kind]Code{
		signaling.KindExpired:          CodeTURNTLSExpired,
		signaling.KindNotYetValid:      CodeTURNTLSExpired,
		signaling.KindWrongName:        CodeTURNTLSWrongName,
		signaling.KindUnknownAuthority: CodeTURNTLSUnknownAuthority,
		signaling.KindBadCertificate:   CodeTURNTLSUnknownAuthority,
		signaling.KindTimeout:          CodeTURNTLSTimeout,
	}
	turnCodes = map[iceserver.Kind]Code{
		iceserver.KindUnreachable:  CodeTURNUnreachable,
		iceserver.KindNoResponse:   CodeTURNNoResponse,
		iceserver.KindUnauthorized: CodeTURNUnauthorized,
		iceserver.KindQuota:        CodeTURNQuota,
		iceserver.KindPeerRefused:  CodeTURNPeerRefused,
		iceserver.KindLost:         CodeTURNLost,
	}
)

// checkable are the failures that a STUN or TURN server can be the reason of.
var checkable = map[Code]bool{CodeNoRelay: true, CodeNoCandidate: true, CodeNoPair: true, CodeConsentLost: true, CodeTURNLost: true}

// examine looks behind a broken gathering or a broken ICE: it asks the servers
// by themselves, and when one of them explains the failure, its code is the
// server's, and the error names the server and says why.
func (c *call) examine(ctx context.Context, f *Failure) *Failure {
	servers := c.target.usable()
	if !checkable[f.Code] || len(servers) == 0 || ctx.Err() != nil || c.peer == nil {
		return f
	}
	if f.Code == CodeConsentLost && (c.result.Route == nil || !c.result.Route.Relayed) {
		return f // no server was on the way
	}
	report := netcheck.Check(ctx, netcheck.Config{
		Servers: iceServers(servers), Peers: c.peer.RemoteAddresses(),
		RootCAs: c.target.RootCAs, Resolver: c.target.Resolver, LocalAddress: c.localAddress(),
		Deadline: c.target.Deadlines.Check,
	})
	guilty, code := c.suspect(f, &report)
	found := &checkedError{cause: f.Err, facts: facts(&report, guilty)}
	if guilty == nil {
		f.Err = found
		return f
	}
	examined := newFailure(f.Layer, code, found)
	if other := standIn(&report, guilty.Server); other != nil {
		examined.Hint = fmt.Sprintf("the same server answers over %s: use %s, or open %s to it",
			strings.ToUpper(string(other.Location.Transport)), other.Location, strings.ToUpper(string(guilty.Server.Transport)))
	}
	return examined
}

// suspect picks the server that explains a failure; nil when none does.
func (c *call) suspect(f *Failure, report *netcheck.Report) (*iceserver.Error, Code) {
	known := c.peer.ServerErrors()
	for _, s := range report.Servers {
		if s.Err != nil && !s.Instead {
			known = append(known, s.Err)
		}
	}
	known = slices.DeleteFunc(known, func(e *iceserver.Error) bool { return e.Local() || e.Kind == iceserver.KindCanceled })
	turn := slices.DeleteFunc(slices.Clone(known), func(e *iceserver.Error) bool { return !e.Server.TURN })
	switch list := iceserver.Telling(turn, false); {
	case f.Code == CodeTURNLost:
		return nil, ""
	case f.Code == CodeConsentLost:
		i := slices.IndexFunc(list, func(e *iceserver.Error) bool { return e.Server.String() == c.result.Route.Server })
		if i < 0 {
			return nil, ""
		}
		return list[i], CodeTURNLost
	case f.Code == CodeNoCandidate && c.target.LocalAddress.IsValid():
		return nil, "" // the address is not this host's
	case len(list) > 0:
		return list[0], serverCode(list[0])
	case f.Code == CodeNoPair && !hasTURN(c.target.usable()) && len(known) > 0:
		return known[0], CodeSTUNNoResponse
	}
	return nil, ""
}

// facts says in words what was found out, the guilty server first.
func facts(report *netcheck.Report, guilty *iceserver.Error) []string {
	var list []string
	if guilty != nil {
		list = append(list, guilty.Error())
	}
	for _, s := range report.Servers {
		text := ""
		switch {
		case s.Err != nil && guilty != nil && s.Err.Server == guilty.Server:
		case s.Err != nil:
			text = s.Err.Error()
		case s.Location.TURN:
			text = fmt.Sprintf("%s: gives a relay", s.Location)
			if s.Permits == netcheck.Yes {
				text += " that may send to the far end"
			}
		default:
			text = fmt.Sprintf("%s: answers, and sees %v", s.Location, s.Mapped)
		}
		if text != "" && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	return list
}

// standIn is a way to the same server that works and is not configured.
func standIn(report *netcheck.Report, l iceserver.Location) *netcheck.Server {
	for i := range report.Servers {
		s := &report.Servers[i]
		if s.Instead && s.Works() && s.Location.Address() == l.Address() {
			return s
		}
	}
	return nil
}

// checkedError is an error and what the servers said afterwards.
type checkedError struct {
	cause error
	facts []string
}

func (e *checkedError) Error() string {
	text := e.cause.Error()
	for _, f := range e.facts {
		if !strings.Contains(text, f) {
			text += "; " + f
		}
	}
	return text
}

func (e *checkedError) Unwrap() error { return e.cause }
