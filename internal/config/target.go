package config

import (
	"cmp"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

// What a file may ask for.
const (
	minEvery = 5 * time.Second
	minRenew = time.Minute
	maxName  = 200 // bytes; a name is a label of every metric
)

// What holds without a word.
const (
	defaultEvery = time.Minute
	defaultRenew = time.Hour
)

// job turns an entry into what the agent does. What is wrong with it is noted
// at its place.
func (t *target) job(p place, site string, general judging) agent.Job {
	j := agent.Job{
		Target: t.settings.target(p),
		Mode:   agent.Mode(cmp.Or(t.Mode, string(agent.Periodic))),
		Every:  cmp.Or(t.Every.Duration, defaultEvery),
		Renew:  cmp.Or(t.Renew.Duration, defaultRenew),
	}
	j.Target.Name, j.Target.Site, j.Target.URL = t.Name, site, t.URL
	t.judging.check(p)
	t.judging.over(general).set(&j.Target)
	if isSIP(t.URL) {
		t.account(p, &j.Target)
	}
	checkURL(p, t.URL)
	t.checkSignaling(p, t.URL)
	reportTarget(p, j.Target)
	j.Target = j.Target.WithDefaults()
	t.checkName(p, j.Target.Name)
	t.checkMode(p, j)
	return j
}

func (t *target) checkName(p place, name string) {
	switch {
	case name == "":
		return // without a URL, which is said already
	case len(name) > maxName:
		p.problem("name", "must be at most %d bytes long, is %d", maxName, len(name))
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		p.problem("name", "must be text without control characters, is %q", name)
	}
}

// checkMode looks at the times of the schedule. A key that the mode makes no
// use of is a misunderstanding, unless it comes from the defaults.
func (t *target) checkMode(p place, j agent.Job) {
	useless := func(key, use string) {
		if p.given(key) {
			p.problem(key, "has no meaning in mode %s; hint: %s", j.Mode, use)
		}
	}
	switch j.Mode {
	case agent.Periodic:
		useless("renew", "every is what says when the next call begins")
		longest := j.Target.Duration + agent.SetUp
		switch {
		case j.Every < minEvery:
			p.problem("every", "must be at least %s, is %s", short(minEvery), short(j.Every))
		case j.Every < longest:
			p.problem("every", "must be at least %s for calls of %s, is %s; hint: call less often or make duration shorter",
				short(longest), short(j.Target.Duration), short(j.Every))
		}
	case agent.Continuous:
		useless("every", "renew is the age at which a call is replaced by the next")
		useless("duration", "renew says how long a call stays up")
		useless("timeout", "renew says how long a call stays up")
		if j.Renew < minRenew {
			p.problem("renew", "must be at least %s, is %s", short(minRenew), short(j.Renew))
		}
	default:
		p.problem("mode", "must be periodic or continuous, is %q", j.Mode)
	}
}

// target reads the files and the environment that the settings name.
func (s *settings) target(p place) probe.Target {
	t := probe.Target{
		Codec: s.Codec, CodecOnly: s.CodecOnly,
		Duration: s.Duration.Duration, Window: s.Window.Duration, Timeout: s.Timeout.Duration,
		Relay: probe.Relay(s.Relay), DSCP: probe.DSCP(s.DSCP),
		Token: p.secret("token", s.TokenFile, s.TokenEnv),
	}
	if s.LocalAddress != "" {
		var err error
		if t.LocalAddress, err = netip.ParseAddr(s.LocalAddress); err != nil {
			p.problem("local_address", "must be an address of this host, is %q", s.LocalAddress)
		}
	}
	if s.CAFile != "" {
		text, err := p.read("ca_file", s.CAFile)
		if err == nil {
			t.RootCAs, err = authorities(s.CAFile, text)
		}
		if err != nil {
			p.problem("ca_file", "%v", err)
		}
	}
	for i, server := range s.ICEServers {
		t.ICEServers = append(t.ICEServers, probe.ICEServer{
			URL: server.URL, Username: server.Username,
			Password: p.index("ice_servers", i).secret("password", server.PasswordFile, server.PasswordEnv),
		})
	}
	return t
}

// isSIP reports whether a URL is called by SIP.
func isSIP(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "sip" || u.Scheme == "sips")
}

// account is the way to a SIP address, and who calls.
func (s *settings) account(p place, t *probe.Target) {
	t.Via, t.Username, t.Register = s.Via, s.Username, s.Register
	t.Password = p.secret("password", s.PasswordFile, s.PasswordEnv)
}

// reportTarget says what Validate says, at its places.
func reportTarget(p place, t probe.Target) {
	for _, err := range flat(t.Validate()) {
		key, text, _ := strings.Cut(err.Error(), ": ")
		if key == "password" {
			key = "password_file"
		}
		p.problem(key, "%s", text)
	}
}

// checkURL refuses secrets in a URL: it is shown on pages and in logs.
func checkURL(p place, text string) {
	if u, err := url.Parse(text); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			p.problem("url", "must hold no password; hint: a secret belongs into a file, see token_file and password_file")
		}
	}
}

// checkSignaling refuses credentials that the adapter of a URL has no use for.
func (s *settings) checkSignaling(p place, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "sip" || u.Scheme == "sips" {
		return
	}
	janus := strings.HasPrefix(u.Scheme, "janus+")
	hint := "token_file is the credential of HTTP targets"
	if janus {
		hint = "token_file and password_file (the API secret) are the credentials of a gateway"
	}
	for _, k := range []struct{ key, value string }{
		{"via", s.Via}, {"username", s.Username}, {"password_file", s.PasswordFile}, {"password_env", s.PasswordEnv},
		{"register", map[bool]string{true: "true"}[s.Register]},
	} {
		if k.value != "" && p.given(k.key) && !(janus && strings.HasPrefix(k.key, "password")) {
			p.problem(k.key, "has no meaning for %s; hint: %s", u.Scheme, hint)
		}
	}
}
