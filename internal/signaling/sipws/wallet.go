package sipws

import (
	"bytes"
	"io"
	"strings"
	"sync"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// maxRounds bounds how often one request is sent anew with other credentials: a
// server that calls every nonce stale would go on for ever.
const maxRounds = 5

// wallet answers digest challenges (RFC 3261, 22; RFC 7616; RFC 8760). What was
// asked for once goes with every later request, with a nonce count that grows.
type wallet struct {
	username, password string

	mu   sync.Mutex
	held []*credential // one for each realm and kind of server
}

// credential is the challenge of one realm.
type credential struct {
	challenge *digest.Challenge
	proxy     bool
	uses      int
}

// learn takes the challenges of a 401 or 407 to request. It reports whether the
// request should be sent again: not without a password, not when no algorithm is
// known, and not when the very answer to a fresh challenge was refused.
func (w *wallet) learn(request *sip.Request, r *sip.Response) bool {
	if w.username == "" {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	again := false
	for _, proxy := range []bool{false, true} {
		for _, c := range challenges(r, proxy) {
			old := w.find(c.Realm, proxy)
			if old != nil && old.uses == 1 && !c.Stale && carries(request, proxy) {
				return false
			}
			if old == nil {
				old = &credential{proxy: proxy}
				w.held = append(w.held, old)
			}
			old.challenge, old.uses = c, 0
			again = true
		}
	}
	return again
}

// find needs mu.
func (w *wallet) find(realm string, proxy bool) *credential {
	for _, c := range w.held {
		if c.challenge.Realm == realm && c.proxy == proxy {
			return c
		}
	}
	return nil
}

func carries(r *sip.Request, proxy bool) bool { return r.GetHeader(credentialsHeader(proxy)) != nil }

func credentialsHeader(proxy bool) string {
	if proxy {
		return "Proxy-Authorization"
	}
	return "Authorization"
}

// apply adds credentials to a request for every realm that asked so far.
func (w *wallet) apply(r *sip.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.held {
		c.uses++
		credentials, err := digest.Digest(c.challenge, digest.Options{
			Method:   string(r.Method),
			URI:      r.Recipient.String(),
			Count:    c.uses,
			Username: w.username,
			Password: w.password,
			GetBody:  func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(r.Body())), nil },
		})
		if err == nil { // challenges that cannot be answered are not kept
			r.AppendHeader(sip.NewHeader(credentialsHeader(c.proxy), credentials.String()))
		}
	}
}

// challenges returns the first challenge of each realm that can be answered: the
// server puts the algorithm it likes best first (RFC 8760, 2.3).
func challenges(r *sip.Response, proxy bool) []*digest.Challenge {
	name := "WWW-Authenticate"
	if proxy {
		name = "Proxy-Authenticate"
	}
	var found []*digest.Challenge
	seen := make(map[string]bool)
	for _, h := range r.GetHeaders(name) {
		for _, text := range splitChallenges(h.Value()) {
			c, err := digest.ParseChallenge(text)
			if err != nil {
				continue
			}
			for i, qop := range c.QOP {
				c.QOP[i] = strings.ToLower(strings.TrimSpace(qop))
			}
			if !digest.CanDigest(c) || seen[c.Realm] {
				continue
			}
			seen[c.Realm] = true
			found = append(found, c)
		}
	}
	return found
}

// splitChallenges takes a header line apart that holds several challenges: each
// begins with the scheme, outside of quotes.
func splitChallenges(value string) []string {
	var starts []int
	quoted, escaped := false, false
	for i := range len(value) {
		switch c := value[i]; {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case !quoted && digest.IsDigest(value[i:]) && (i == 0 || strings.IndexByte(" \t,", value[i-1]) >= 0):
			starts = append(starts, i)
		}
	}
	var parts []string
	for n, start := range starts {
		end := len(value)
		if n+1 < len(starts) {
			end = starts[n+1]
		}
		parts = append(parts, strings.TrimRight(value[start:end], ", \t"))
	}
	return parts
}
