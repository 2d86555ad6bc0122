package config

import (
	"errors"
	"testing"
	"time"
)

func TestWhichTargetsAModuleMayCall(t *testing.T) {
	tests := []struct {
		name, pattern, url string
		want               bool
	}{
		{"the URL itself", "https://echo.example.com/echo", "https://echo.example.com/echo", true},
		{"another path", "https://echo.example.com/echo", "https://echo.example.com/other", false},
		{"a longer path", "https://echo.example.com/echo", "https://echo.example.com/echo/more", false},
		{"any path", "https://echo.example.com/*", "https://echo.example.com/a/b?c=d", true},
		{"a query that the pattern does not have", "https://echo.example.com/echo", "https://echo.example.com/echo?a=b", false},
		{"another scheme", "https://echo.example.com/*", "http://echo.example.com/echo", false},
		{"the case of scheme and host", "https://echo.example.com/*", "HTTPS://Echo.Example.COM/echo", true},
		{"the case of a path counts", "https://echo.example.com/echo", "https://echo.example.com/Echo", false},
		{"a port that the pattern does not have", "https://echo.example.com/*", "https://echo.example.com:8443/echo", false},
		{"the port of the pattern", "https://echo.example.com:8443/*", "https://echo.example.com:8443/echo", true},
		{"any port", "https://echo.example.com:*/*", "https://echo.example.com:8443/echo", true},
		{"a host below", "https://*.example.com/*", "https://paris.example.com/echo", true},
		{"hosts below a host below", "https://*.example.com/*", "https://a.b.example.com/echo", true},
		{"not the domain itself", "https://*.example.com/*", "https://example.com/echo", false},
		{"a host that ends otherwise", "https://*.example.com/*", "https://paris.example.com.evil.net/echo", false},
		{"a host that hides in a path", "https://*.example.com/*", "https://evil.net/.example.com/echo", false},
		{"a host that hides in user information", "https://echo.example.com*", "https://echo.example.com@evil.net/", false},
		{"user information", "https://echo.example.com/*", "https://me@echo.example.com/echo", false},
		{"a host that hides behind a backslash", "https://*.example.com/*", `https://evil.net\.example.com/echo`, false},
		{"a host that hides in a query", "https://*.example.com/*", "https://evil.net?.example.com/echo", false},
		{"a host that hides in a fragment", "https://*.example.com/*", "https://evil.net#.example.com/echo", false},
		{"a way up in a path", "https://echo.example.com/echo/*", "https://echo.example.com/echo/../admin", false},
		{"a way up that is written otherwise", "https://echo.example.com/echo/*", "https://echo.example.com/echo/%2e%2e/admin", false},
		{"an address", "http://192.0.2.*:8443/echo", "http://192.0.2.7:8443/echo", true},
		{"an IPv6 address", "http://[2001:db8::*]:8443/*", "http://[2001:db8::7]:8443/echo", true},
		{"an IPv6 address without a port", "http://[2001:db8::7]/*", "http://[2001:db8::7]/echo", true},
		{"a SIP address", "sip:600@pbx.example.com", "sip:600@pbx.example.com", true},
		{"any user of a SIP domain", "sip:*@pbx.example.com", "sip:601@pbx.example.com", true},
		{"another SIP domain", "sip:*@pbx.example.com", "sip:600@pbx.example.com.evil.net", false},
		{"a SIP domain that hides in the user", "sip:*@pbx.example.com", "sip:600@evil.net;x@pbx.example.com", false},
		{"a SIP domain that hides in a parameter", "sip:*@pbx.example.com", "sip:600@evil.net;x=@pbx.example.com", false},
		{"a SIP domain with parameters", "sip:*@pbx.example.com", "sip:600@pbx.example.com;maddr=evil.net", false},
		{"headers of a SIP address", "sip:*@pbx.example.com", "sip:600@pbx.example.com?Route=evil.net", false},
		{"several stars, in order", "https://*-echo.*.example.com/a*b*c", "https://x-echo.paris.example.com/a1b2b3c", true},
		{"several stars, another order", "https://echo.example.com/a*b*c", "https://echo.example.com/acb", false},
		{"several stars, one part missing", "https://echo.example.com/a*b*c", "https://echo.example.com/ac", false},
		{"parts that must not overlap", "https://echo.example.com/ab*ba", "https://echo.example.com/aba", false},
		{"everything", "*", "gopher://anything/at/all", true},
		{"no URL", "https://echo.example.com/*", "https://%zz/", false},
		{"nothing", "https://echo.example.com/*", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := Module{Name: "short", Allow: []string{"http://never/", tt.pattern}}
			if got := m.Allows(tt.url); got != tt.want {
				t.Errorf("pattern %s, URL %s: got %v want %v", tt.pattern, tt.url, got, tt.want)
			}
		})
	}
}

func TestTheCallOfAModule(t *testing.T) {
	c := load(t, map[string]string{"token": "sesame", "earshot.yml": `
site: paris
defaults: {codec: pcma, duration: 20s}
limits: {loss: 2%}
modules:
  short: {duration: 4s, codec: pcmu, token_file: token, allow: ["https://echo.example.com/*"], limits: {rtt: 90ms}}
`})
	m := c.Modules["short"]
	got, err := m.Target("https://echo.example.com/echo")
	if err != nil {
		t.Fatal(err)
	}
	if got.URL != "https://echo.example.com/echo" || got.Name != "echo.example.com" || got.Site != "paris" || got.Token != "sesame" ||
		got.Codec != "pcmu" || got.Duration != 4*time.Second || got.Limits.Loss != 0.02 || got.Limits.RTT != 90*time.Millisecond {
		t.Errorf("got %+v", got)
	}
	var denied *NotAllowedError
	if _, err := m.Target("https://probe:barley@elsewhere.example.com/?key=corn"); !errors.As(err, &denied) ||
		err.Error() != "module short may not call https://probe@elsewhere.example.com/?…; hint: modules.short.allow lists what it may call" {
		t.Errorf("got %v", err)
	}
	m.Allow = []string{"*"}
	if _, err := m.Target("gopher://echo.example.com/"); err == nil || errors.As(err, &denied) {
		t.Errorf("got %v, want what is wrong with the URL", err)
	}
}
