package whip

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/earshot-voip/earshot/internal/signaling"
)

func TestParseLinks(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []link
	}{
		"nothing has no links":              {"", nil},
		"a target alone":                    {"<stun:a>", []link{{target: "stun:a"}}},
		"a parameter as a token":            {"<stun:a>;rel=ice-server", []link{{"stun:a", []param{{"rel", "ice-server"}}}}},
		"a parameter as a quoted string":    {`<stun:a>; rel="ice-server"`, []link{{"stun:a", []param{{"rel", "ice-server"}}}}},
		"space where it may be":             {" <stun:a> ;\trel = \"ice-server\" ; x=y ", []link{{"stun:a", []param{{"rel", "ice-server"}, {"x", "y"}}}}},
		"several links":                     {"<a>;rel=x, <b> ,<c>;rel=z", []link{{"a", []param{{"rel", "x"}}}, {target: "b"}, {"c", []param{{"rel", "z"}}}}},
		"empty elements between links":      {", <a>,, ,<b>,", []link{{target: "a"}, {target: "b"}}},
		"separators within quotes":          {`<a>;credential="x,y;z=<q>"; r=1, <b>`, []link{{"a", []param{{"credential", "x,y;z=<q>"}, {"r", "1"}}}, {target: "b"}}},
		"separators within the target":      {"<turn:a?x=1,2;3>;rel=x", []link{{"turn:a?x=1,2;3", []param{{"rel", "x"}}}}},
		"escaped characters":                {`<a>;credential="q\"b\\s\x"`, []link{{"a", []param{{"credential", `q"b\sx`}}}}},
		"a name in capitals":                {`<a>;REL="x"`, []link{{"a", []param{{"rel", "x"}}}}},
		"a parameter without a value":       {"<a>;crossorigin;rel=x", []link{{"a", []param{{"crossorigin", ""}, {"rel", "x"}}}}},
		"an empty value":                    {`<a>;username="";rel=x`, []link{{"a", []param{{"username", ""}, {"rel", "x"}}}}},
		"empty parameters":                  {"<a>;;rel=x;", []link{{"a", []param{{"rel", "x"}}}}},
		"a quote that never ends":           {`<a>;rel="x, <b>`, []link{{"a", []param{{"rel", "x, <b>"}}}}},
		"a backslash at the end":            {`<a>;rel="x\`, []link{{"a", []param{{"rel", `x\`}}}}},
		"a target that never ends":          {"<a>, <b;rel=x", []link{{target: "a"}}},
		"no target":                         {"rel=x", nil},
		"garbage after a link ends reading": {"<a> b, <c>", []link{{target: "a"}}},
		"an equals sign in a token":         {"<a>;credential=abc==;rel=x", []link{{"a", []param{{"credential", "abc=="}, {"rel", "x"}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := parseLinks(c.in); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestICEServersOfHeader(t *testing.T) {
	for name, c := range map[string]struct {
		in   []string
		want []signaling.ICEServer
	}{
		"the example of RFC 9725": {
			[]string{
				`<stun:stun.example.net>; rel="ice-server"`,
				`<turn:turn.example.net?transport=udp>; rel="ice-server"; username="user"; credential="myPassword"; credential-type="password"`,
				`<turn:turn.example.net?transport=tcp>; rel="ice-server"; username="user"; credential="myPassword"; credential-type="password"`,
				`<turns:turn.example.net?transport=tcp>; rel="ice-server"; username="user"; credential="myPassword"; credential-type="password"`,
			},
			[]signaling.ICEServer{
				{URL: "stun:stun.example.net"},
				{URL: "turn:turn.example.net?transport=udp", Username: "user", Password: "myPassword"},
				{URL: "turn:turn.example.net?transport=tcp", Username: "user", Password: "myPassword"},
				{URL: "turns:turn.example.net?transport=tcp", Username: "user", Password: "myPassword"},
			},
		},
		"all in one header":                      {[]string{`<stun:a>;rel=ice-server,<stun:b>;rel=ice-server`}, []signaling.ICEServer{{URL: "stun:a"}, {URL: "stun:b"}}},
		"one relation of several, without case":  {[]string{`<STUN:a>; rel="preload Ice-Server"`}, []signaling.ICEServer{{URL: "STUN:a"}}},
		"another relation":                       {[]string{`<stun:a>; rel="next"`, `<stun:b>`, `<stun:c>; rel="ice-servers"`}, nil},
		"the first rel counts":                   {[]string{`<stun:a>; rel="next"; rel="ice-server"`}, nil},
		"a scheme that is no ICE server":         {[]string{`<https://a>; rel="ice-server"`, `<stun>; rel="ice-server"`, `<stun:>; rel="ice-server"`}, nil},
		"a credential that is no password":       {[]string{`<turn:a>; rel="ice-server"; credential-type="oauth"`}, nil},
		"a target with a space or a line's end":  {[]string{"<stun:a b>; rel=ice-server", "<stun:a\tb>; rel=ice-server"}, nil},
		"a server after one that is not counted": {[]string{`<https://a>; rel="ice-server", <stun:b>; rel="ice-server"`}, []signaling.ICEServer{{URL: "stun:b"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := iceServers(http.Header{"Link": c.in}); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2030, 5, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		in   string
		want time.Duration
	}{
		"nothing":                        {"", 0},
		"seconds":                        {"120", 2 * time.Minute},
		"seconds with space":             {" 7 ", 7 * time.Second},
		"no time at all":                 {"0", 0},
		"a negative time":                {"-5", 0},
		"a date":                         {"Wed, 01 May 2030 12:01:30 GMT", 90 * time.Second},
		"a date gone by":                 {"Wed, 01 May 2030 11:59:00 GMT", 0},
		"words":                          {"tomorrow", 0},
		"more seconds than an hour glas": {"9223372036854775807", 365 * 24 * time.Hour},
		"more seconds than 64 bits":      {"99999999999999999999", 0},
		"a date centuries ahead":         {"Wed, 01 May 2999 12:00:00 GMT", 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := signaling.RetryAfter(c.in, now); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func FuzzParseLinks(f *testing.F) {
	f.Add(`<turn:a?transport=udp>; rel="ice-server"; username="u"; credential="p\"", <stun:b>;rel=ice-server`)
	f.Add(`<a>;rel="x\`)
	f.Add(`,,<>;;=;x="`)
	f.Fuzz(func(t *testing.T, value string) {
		size := 0
		for _, l := range parseLinks(value) {
			size += len(l.target)
			if strings.Contains(l.target, ">") {
				t.Errorf("target %q goes beyond its bracket", l.target)
			}
			for _, p := range l.params {
				size += len(p.value)
				if p.name == "" || strings.ContainsAny(p.name, " \t=;,") {
					t.Errorf("parameter name %q", p.name)
				}
			}
		}
		if size > len(value) {
			t.Errorf("%d bytes of links in a header of %d", size, len(value))
		}
		for _, s := range iceServers(http.Header{"Link": {value}}) {
			if strings.ContainsFunc(s.URL, func(r rune) bool { return r <= ' ' || r > 0x7e }) {
				t.Errorf("server URL %q", s.URL)
			}
		}
		// Writing a link as a quoted string and reading it again gives the same.
		escaped := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value)
		if got := parseLinks(`<a>;x="` + escaped + `"`); len(got) != 1 || got[0].param("x") != value {
			t.Errorf("quoted %q reads as %q", value, got)
		}
	})
}

func FuzzCleanBody(f *testing.F) {
	f.Add([]byte("<!doctype html><script>x</script><p>a &amp; b"), "text/html")
	f.Add([]byte("a\x1b]0;x\x07\u202eb\xff"), "text/plain")
	f.Add([]byte("<!--"), "text/html; charset")
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		got := cleanBody(body, contentType)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxWords+1 {
			t.Errorf("%q is no short text", got)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(got, "  ") {
			t.Errorf("%q is not one clean line", got)
		}
	})
}

func FuzzJudgeSDP(f *testing.F) {
	f.Add([]byte("v=0\r\nm=audio 9 RTP/AVP 0\r\n"))
	f.Add([]byte("v=0\nm=video 9\n"))
	f.Add([]byte("v=0"))
	f.Fuzz(func(t *testing.T, body []byte) {
		kind, err := signaling.JudgeSDP(body)
		if (kind == "") != (err == nil) {
			t.Fatalf("kind %q with error %v", kind, err)
		}
		if err != nil {
			return
		}
		lines := strings.Split(strings.ReplaceAll(string(body), "\r\n", "\n"), "\n")
		if lines[0] != "v=0" || !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "m=audio ") }) {
			t.Errorf("accepted %q", body)
		}
	})
}
