package signalingtest

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash"
	"regexp"
	"strconv"
	"strings"
)

// SIPAuth is how a fake SIP server asks for a password (RFC 3261, 22; RFC 7616;
// RFC 8760).
type SIPAuth struct {
	Username, Password string
	Realm              string
	Algorithms         []string // offered in this order, "MD5" or "SHA-256"; nil: MD5
	Proxy              bool     // asks by 407 in place of 401
	NoQOP              bool     // in the form of RFC 2069
	OneLine            bool     // all challenges in one header line
	// Uses is how many requests one nonce is good for; after them it is stale. 0
	// is any number.
	Uses int
}

// nonce is a challenge that was given out.
type nonce struct {
	value string
	used  int
	count int // the highest nonce count seen
}

// challenge is what a server without a valid answer says.
func (a *SIPAuth) challenge(n *nonce, stale bool) (status string, lines []string) {
	status, name := "401 Unauthorized", "WWW-Authenticate"
	if a.Proxy {
		status, name = "407 Proxy Authentication Required", "Proxy-Authenticate"
	}
	algorithms := a.Algorithms
	if algorithms == nil {
		algorithms = []string{"MD5"}
	}
	var all []string
	for _, algorithm := range algorithms {
		text := fmt.Sprintf(`Digest realm="%s", nonce="%s", algorithm=%s`, a.Realm, n.value, algorithm)
		if !a.NoQOP {
			text += `, qop="auth,auth-int"`
		}
		if stale {
			text += ", stale=TRUE"
		}
		all = append(all, text)
	}
	if a.OneLine {
		return status, []string{name + ": " + strings.Join(all, ", ")}
	}
	for _, text := range all {
		lines = append(lines, name+": "+text)
	}
	return status, lines
}

var authParam = regexp.MustCompile(`([a-zA-Z]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))`)

// answer returns the parameters of the credentials for this server's realm.
func (a *SIPAuth) answer(m SIPMessage) map[string]string {
	name := "Authorization"
	if a.Proxy {
		name = "Proxy-Authorization"
	}
	for _, value := range m.All(name) {
		rest, ok := strings.CutPrefix(value, "Digest ")
		if !ok {
			continue
		}
		given := make(map[string]string)
		for _, p := range authParam.FindAllStringSubmatch(rest, -1) {
			given[strings.ToLower(p[1])] = p[2] + p[3]
		}
		if given["realm"] == a.Realm {
			return given
		}
	}
	return nil
}

// check computes the response by the words of RFC 7616, 3.4.1 and compares. It
// reports whether the credentials are right, and whether their nonce, one of
// those given out, is good for another request.
func (a *SIPAuth) check(m SIPMessage, nonces map[string]*nonce) (right, fresh bool) {
	given := a.answer(m)
	if given == nil {
		return false, true
	}
	var sum func() hash.Hash
	switch strings.ToUpper(given["algorithm"]) {
	case "", "MD5":
		sum = md5.New
	case "SHA-256":
		sum = sha256.New
	default:
		return false, true
	}
	digest := func(parts ...string) string {
		h := sum()
		h.Write([]byte(strings.Join(parts, ":")))
		return fmt.Sprintf("%x", h.Sum(nil))
	}
	a1 := digest(a.Username, a.Realm, a.Password)
	a2 := digest(m.Method(), given["uri"])
	want := digest(a1, given["nonce"], a2)
	if !a.NoQOP {
		want = digest(a1, given["nonce"], given["nc"], given["cnonce"], given["qop"], a2)
	}
	right = given["username"] == a.Username && given["response"] == want && given["uri"] == m.URI() &&
		(a.NoQOP || given["qop"] == "auth" && len(given["nc"]) == 8)
	n := nonces[given["nonce"]]
	if n == nil || a.Uses > 0 && n.used >= a.Uses {
		return right, false
	}
	if !a.NoQOP {
		count, err := strconv.ParseInt(given["nc"], 16, 32)
		if err != nil || int(count) <= n.count {
			return false, true // a replay
		}
		n.count = int(count)
	}
	if right {
		n.used++
	}
	return right, true
}
