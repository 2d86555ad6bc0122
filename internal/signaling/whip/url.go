package whip

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// checkURL reports why u cannot be called.
func checkURL(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("scheme %q is neither http nor https", u.Scheme)
	}
	if u.Hostname() == "" {
		return errors.New("has no host")
	}
	if strings.ContainsFunc(u.Hostname(), func(r rune) bool { return r > 0x7e || r <= ' ' }) {
		return fmt.Errorf("host %q is not in ASCII; write it in its xn-- form", u.Hostname())
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("%q is no port number", port)
		}
	}
	return nil
}

// hostPort returns the address to dial.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// sameOrigin compares scheme, host and port (RFC 6454, 5).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && hostPort(a) == hostPort(b)
}

// redact renders u without user information, query and fragment, where secrets
// hide.
func redact(u *url.URL) string {
	clean := *u
	clean.User, clean.RawQuery, clean.ForceQuery, clean.Fragment, clean.RawFragment = nil, "", false, "", ""
	return clean.String()
}

// withoutURL takes the URL, which may hold secrets, out of an error of package
// url.
func withoutURL(err error) error {
	var parse *url.Error
	if errors.As(err, &parse) {
		return parse.Err
	}
	return err
}

// validToken reports whether s has the form of a bearer token (RFC 6750, 2.1),
// or is empty.
func validToken(s string) bool {
	body := strings.TrimRight(s, "=")
	if body == "" {
		return s == ""
	}
	return !strings.ContainsFunc(body, func(r rune) bool {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return false
		}
		return !strings.ContainsRune("-._~+/", r)
	})
}
