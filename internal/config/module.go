package config

import (
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/earshot-voip/earshot/probe"
)

// Module says how /probe calls, and whom it may call.
type Module struct {
	Name  string
	Allow []string // patterns of URLs, see Allows

	call probe.Target // all but its URL
}

// NotAllowedError is for a target that a module may not call.
type NotAllowedError struct{ Module, URL string }

// Error names the module and the key that decides.
func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("module %s may not call %s; hint: modules.%s.allow lists what it may call", e.Module, e.URL, e.Module)
}

// Target returns the call of the module to a URL. The error is a
// *NotAllowedError, or what is wrong with the URL.
func (m Module) Target(to string) (probe.Target, error) {
	if !m.Allows(to) {
		return probe.Target{}, &NotAllowedError{m.Name, harmless(to)}
	}
	t := m.call
	t.URL = to
	if err := t.Validate(); err != nil {
		return probe.Target{}, err
	}
	return t.WithDefaults(), nil
}

// Allows reports whether the module may call a URL. In a pattern, * stands for
// any text within the host, and for any text at all in what follows the host;
// the scheme, and the port if there is one, are as given. The pattern * allows
// every URL. A URL with user information, or with dots for going up in its path,
// is allowed by no other pattern.
func (m Module) Allows(to string) bool {
	u, err := url.Parse(to)
	if err != nil {
		return false
	}
	for _, pattern := range m.Allow {
		if pattern == "*" || matches(pattern, u) {
			return true
		}
	}
	return false
}

// matches compares part by part, so that a * for a name cannot swallow the end
// of the host: https://*.example.com/ must not match https://evil.net/.example.com/.
func matches(pattern string, u *url.URL) bool {
	scheme, rest, _ := strings.Cut(pattern, ":")
	if !strings.EqualFold(scheme, u.Scheme) {
		return false
	}
	if u.Opaque != "" { // sip:user@host
		user, host, _ := cutLast(rest, "@")
		isUser, isHost, _ := cutLast(u.Opaque, "@")
		return u.RawQuery == "" && !strings.ContainsAny(isUser, "@:;/?") && glob(user, isUser) && globHost(host, isHost)
	}
	rest, isTree := strings.CutPrefix(rest, "//")
	if !isTree || u.User != nil {
		return false
	}
	host, tail, _ := strings.Cut(rest, "/")
	clean := path.Clean("/" + u.Path)
	if strings.HasSuffix(u.Path, "/") && clean != "/" {
		clean += "/"
	}
	if u.Path != "" && clean != u.Path || u.Fragment != "" {
		return false
	}
	isTail := strings.TrimPrefix(u.Path, "/")
	if u.RawQuery != "" {
		isTail += "?" + u.RawQuery
	}
	return globHost(host, u.Host) && glob(tail, isTail)
}

// globHost is glob for names, whose case does not count and in which a * stops
// at everything that is no part of a name. A port must be the one of the
// pattern; "*" is any.
func globHost(pattern, host string) bool {
	if strings.ContainsAny(host, `/\@?#;`) {
		return false
	}
	name, port := cutPort(strings.ToLower(pattern))
	isName, isPort := cutPort(strings.ToLower(host))
	return glob(name, isName) && (port == isPort || port == "*" && isPort != "")
}

// cutPort cuts "host:port"; the brackets of an IPv6 address stay.
func cutPort(host string) (name, port string) {
	if name, port, ok := cutLast(host, ":"); ok && !strings.HasSuffix(host, "]") {
		return name, port
	}
	return host, ""
}

// cutLast cuts at the last sep. Without one, all is after it.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}

// glob compares with a pattern in which * stands for any text.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, parts[len(parts)-1])
}

// module turns an entry into what /probe does.
func (m *module) module(p place, name, site string, general judging) Module {
	out := Module{Name: name, Allow: m.Allow, call: m.settings.target(p)}
	m.account(p, &out.call)
	out.call.Site = site
	m.judging.check(p)
	m.judging.over(general).set(&out.call)
	if len(m.Allow) == 0 {
		p.problem("allow", "is missing: without it nothing can be probed; hint: list URLs, as in [\"https://echo.example.com/*\"]")
	}
	for i, pattern := range m.Allow {
		if scheme, _, ok := strings.Cut(pattern, ":"); pattern != "*" && (!ok || strings.Contains(scheme, "*")) {
			p.problem(fmt.Sprintf("allow[%d]", i), "must be a URL in which * stands for any text, like https://echo.example.com/*, is %q", pattern)
		}
	}
	call := out.call
	call.URL = "http://127.0.0.1/" // any: the real one comes with the request
	if m.Via != "" || m.Username != "" {
		call.URL = "sip:echo@localhost"
	}
	reportTarget(p, call)
	return out
}

// harmless renders a URL without what could be secret in it.
func harmless(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL that cannot be read"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	if u.RawQuery != "" {
		u.RawQuery = "…"
	}
	u.Fragment = ""
	return u.String()
}
