package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"

	"github.com/earshot-voip/earshot/internal/signaling/janus"
	"github.com/earshot-voip/earshot/internal/signaling/sipws"
)

// isJanus reports whether a target is the EchoTest of a Janus gateway.
func isJanus(u *url.URL) bool { return strings.HasPrefix(u.Scheme, "janus+") }

// isSIP reports whether a target is called by SIP over WebSocket.
func isSIP(u *url.URL) bool { return u.Scheme == "sip" || u.Scheme == "sips" }

// checkAddress reports what is wrong with the fields that say whom to call and
// who calls.
func (t Target) checkAddress(problem func(format string, args ...any)) {
	u, err := url.Parse(t.URL)
	switch {
	case t.URL == "":
		problem("url: no target given")
	case err != nil && !strings.HasPrefix(strings.ToLower(t.URL), "sip"):
		problem("url: %w", withoutURL(err))
	case err != nil, isSIP(u):
		t.checkSIP(problem)
	case isJanus(u):
		if _, err := janus.ParseURL(t.URL); err != nil {
			problem("url: %w", err)
		}
		t.refuseSIP(problem)
	case u.Scheme != "http" && u.Scheme != "https":
		problem("url: cannot call %q: the scheme must be http, https, sip, sips, or janus+ and one of http, https, ws, wss", redact(u))
	case u.Hostname() == "":
		problem("url: %q names no host", redact(u))
	default:
		t.refuseSIP(problem)
	}
}

// checkSIP looks at a SIP address and the way to it.
func (t Target) checkSIP(problem func(format string, args ...any)) {
	address, addressErr := sipws.ParseTarget(t.URL)
	if addressErr != nil {
		problem("url: %w", addressErr)
	}
	via, viaErr := sipws.ParseVia(t.Via)
	switch {
	case viaErr != nil:
		problem("via: %w", viaErr)
	case addressErr == nil:
		if err := sipws.CheckPair(address, via); err != nil {
			problem("via: %w", err)
		}
	}
	if !sipws.ValidUsername(t.Username) {
		problem("username: has characters that no name has")
	}
	if t.Password != "" && t.Username == "" {
		problem("password: needs a username")
	}
}

// refuseSIP refuses what only a SIP target has a use for. A password is let
// pass: it may come from the environment of all calls.
func (t Target) refuseSIP(problem func(format string, args ...any)) {
	for _, field := range []struct {
		name  string
		given bool
	}{{"via", t.Via != ""}, {"username", t.Username != ""}, {"register", t.Register}} {
		if field.given {
			problem("%s: is for sip targets alone", field.name)
		}
	}
}

// server is the URL of what signalling connects to.
func (t Target) server() string {
	if u, err := url.Parse(t.URL); err == nil && isSIP(u) {
		return t.Via
	}
	return t.URL
}

// defaultName is what reports call a target without a name: its host, or its SIP
// address.
func defaultName(u *url.URL) string {
	if isSIP(u) {
		address, _, _ := strings.Cut(redactOpaque(u.Opaque), ";")
		return address
	}
	return u.Host
}

// redact renders a URL without user information and query, where secrets hide.
func redact(u *url.URL) string {
	clean := *u
	clean.User, clean.RawQuery, clean.Fragment = nil, "", ""
	clean.Opaque = redactOpaque(clean.Opaque)
	return clean.String()
}

// redactOpaque takes the password out of user:password@host.
func redactOpaque(text string) string {
	at := strings.LastIndexByte(text, '@')
	if at < 0 {
		return text
	}
	user, _, _ := strings.Cut(text[:at], ":")
	return user + text[at:]
}

// withoutURL is an error of url.Parse without the URL, which may hold a secret.
func withoutURL(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}

// onLoopback reports whether a URL leads to this host's loopback, so that
// loopback addresses are what has to be offered; and of which family, where the
// URL says it by an address: the zero Addr is both.
func onLoopback(server string) (family netip.Addr, loopback bool) {
	u, err := url.Parse(server)
	if err != nil || isJanus(u) { // a gateway offers no loopback address for media, wherever it takes calls
		return netip.Addr{}, false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return netip.Addr{}, true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.IsLoopback() {
		return netip.Addr{}, false
	}
	if ip.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	return netip.IPv6Loopback(), true
}

// privateOnly says how many candidates an offer has when all of them are
// addresses that only a private network knows (RFC 1918, RFC 4193, loopback);
// empty otherwise.
func privateOnly(offer string) string {
	private := 0
	for line := range strings.Lines(offer) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "a=candidate:") || len(fields) < 6 {
			continue
		}
		address, err := netip.ParseAddr(fields[4])
		if err != nil || !address.IsPrivate() && !address.IsLoopback() && !address.IsLinkLocalUnicast() {
			return ""
		}
		private++
	}
	if private == 0 {
		return ""
	}
	return fmt.Sprintf("private addresses alone were offered (candidates: %d)", private)
}
