package probe

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/earshot-voip/earshot/internal/iceserver"
)

// PathKind is a way that media can take.
type PathKind string

// The kinds of path, from the one with the least between the two ends to the one
// that gets through the most firewalls.
const (
	PathDirect  PathKind = "direct"
	PathTURNUDP PathKind = "turn/udp"
	PathTURNTCP PathKind = "turn/tcp"
	PathTURNTLS PathKind = "turn/tls"
)

// PathKinds lists all kinds in the order in which they are compared.
var PathKinds = []PathKind{PathDirect, PathTURNUDP, PathTURNTCP, PathTURNTLS}

// Path is one way to a target and what a call over it found out.
type Path struct {
	Kind    PathKind
	Server  string  // the TURN server, as a URL without credentials; empty when direct
	Skipped string  // why no call can be placed over it; empty: one can
	Target  Target  // the call over it
	Result  *Result // of that call; nil: none was placed
}

// Paths lists the ways to a target: the direct one, and one for each TURN server
// of its ICE servers. Kinds without a server are in the list as skipped. The
// caller runs each Target, one after the other so that they do not disturb each
// other, and gives the results to Compare.
func Paths(t Target) []Path {
	direct := t
	direct.Relay = RelayNever
	paths := []Path{{Kind: PathDirect, Target: direct}}
	for _, kind := range PathKinds[1:] {
		found := false
		for _, s := range t.ICEServers {
			l, err := iceserver.Server(s).Locate()
			if err != nil || !l.TURN || PathKind("turn/"+string(l.Transport)) != kind {
				continue
			}
			found = true
			one := t
			one.Relay, one.ICEServers = RelayOnly, []ICEServer{s}
			paths = append(paths, Path{Kind: kind, Server: l.String(), Target: one})
		}
		if !found {
			paths = append(paths, Path{Kind: kind, Skipped: "no " + exampleURL[kind] + " is among the ICE servers"})
		}
	}
	return paths
}

var exampleURL = map[PathKind]string{
	PathTURNUDP: "turn:HOST?transport=udp", PathTURNTCP: "turn:HOST?transport=tcp", PathTURNTLS: "turns:HOST",
}

// Comparison says which path serves a site best.
type Comparison struct {
	Paths   []Path
	Best    *Path   // nil when no path carries a call, or none could be judged
	Verdict Verdict // that of the best path; else failed, or untrusted when this host could not measure
	Summary string  // one sentence that a technician can read aloud
}

// nearlyEqual is a difference in MOS that is not worth a longer path.
const nearlyEqual = 0.1

// Compare picks the best path: a good call before a degraded one, then the
// better MOS of the worse direction, and of paths that differ by less than 0.1
// the first in the order of PathKinds.
func Compare(paths []Path) Comparison {
	c := Comparison{Paths: paths}
	for i := range paths {
		if p := &paths[i]; p.usable() && (c.Best == nil || p.better(c.Best)) {
			c.Best = p
		}
	}
	if c.Best == nil {
		c.Verdict, c.Summary = none(paths)
		return c
	}
	// The winner may lead by little over one that stands before it.
	for i := range paths {
		if p := &paths[i]; p.usable() && p.Result.Verdict == c.Best.Result.Verdict && p.worseMOS() > c.Best.worseMOS()-nearlyEqual {
			c.Best = p
			break
		}
	}
	c.Verdict, c.Summary = c.Best.Result.Verdict, c.praise()
	return c
}

// usable reports whether the path carried a call that could be judged.
func (p *Path) usable() bool {
	return p.Result != nil && (p.Result.Verdict == Good || p.Result.Verdict == Degraded)
}

func (p *Path) better(other *Path) bool {
	if p.Result.Verdict != other.Result.Verdict {
		return p.Result.Verdict == Good
	}
	return p.worseMOS() > other.worseMOS()
}

// worseMOS is the score of the worse direction; 0 when neither has one.
func (p *Path) worseMOS() float64 {
	worse := math.Inf(1)
	for _, d := range []*Direction{&p.Result.Uplink, &p.Result.Downlink} {
		if d.Score != nil {
			worse = min(worse, d.Score.MOS)
		}
	}
	if math.IsInf(worse, 1) {
		return 0
	}
	return worse
}

// String names the path in words: "TURN over TLS by turns:host:5349?transport=tcp".
func (p *Path) String() string {
	if p.Kind == PathDirect {
		return "the direct one"
	}
	return "TURN over " + strings.ToUpper(strings.TrimPrefix(string(p.Kind), "turn/")) + " by " + p.Server
}

// praise says which path is best, how good it is, and what else there is.
func (c *Comparison) praise() string {
	r := c.Best.Result
	place := "this site"
	if r.Site != "" {
		place = r.Site
	}
	text := fmt.Sprintf("The best path from %s to %s is %s: %s, %s", place, r.Name, c.Best, scored("up", &r.Uplink), scored("down", &r.Downlink))
	if q := r.RoundTrip.RTT; q.Count > 0 {
		text += fmt.Sprintf(", a round trip of %.3g ms", q.P50.Seconds()*1000)
	}
	others := map[string][]string{}
	for i := range c.Paths {
		if p := &c.Paths[i]; p != c.Best && p.Result != nil {
			others[p.outcome()] = append(others[p.outcome()], string(p.Kind))
		}
	}
	for _, outcome := range []string{"also good", "poor", "not working", "not measured"} {
		if kinds := others[outcome]; len(kinds) > 0 {
			text += "; " + outcome + ": " + strings.Join(slices.Compact(kinds), ", ")
		}
	}
	return text + "."
}

func (p *Path) outcome() string {
	switch p.Result.Verdict {
	case Good:
		return "also good"
	case Degraded:
		return "poor"
	case Failed:
		return "not working"
	}
	return "not measured"
}

// none says why there is no best path.
func none(paths []Path) (Verdict, string) {
	var reasons []string
	verdict := Failed
	for i := range paths {
		switch p := &paths[i]; {
		case p.Result == nil:
		case p.Result.Failure != nil:
			reasons = append(reasons, fmt.Sprintf("%s: %s", p.Kind, p.Result.Failure.Code.Meaning()))
		default:
			verdict = Untrusted
			reasons = append(reasons, fmt.Sprintf("%s: it could not be measured", p.Kind))
		}
	}
	if len(reasons) == 0 {
		return Failed, "No call was placed over any path."
	}
	if verdict == Untrusted {
		return verdict, "No path could be judged (" + strings.Join(reasons, "; ") + ")."
	}
	return verdict, "No path carries a call (" + strings.Join(reasons, "; ") + ")."
}
