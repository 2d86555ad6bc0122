//go:build peers

package realpeer

import (
	"cmp"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kamailio is a WebSocket server (Kamailio) with three phones (baresip) behind
// it: echo speaks ICE and DTLS by itself, plain is reached through rtpengine,
// ring rings and is never picked up.
type kamailio struct {
	t                         *testing.T
	address, folder           string
	server, echo, plain, ring *Process
}

const secret = "correct-horse"

func startKamailio(t *testing.T) *kamailio {
	t.Helper()
	Need(t, "kamailio", "baresip", "rtpengine", "openssl", "ss")
	k := &kamailio{t: t, address: Setting(t, "ADDRESS")}
	k.folder = Fill(t, "testdata/kamailio", map[string]string{"ADDRESS": k.address, "SECRET": secret})
	certificate(t, k.folder, k.address)
	media := Start(t, "nice", "-n", "-10", "rtpengine", "--foreground", "--log-stderr", "--log-level=6", "--table=-1", "--interface="+k.address,
		"--listen-ng="+k.address+":2223", "--port-min=22000", "--port-max=22999")
	media.Await("Startup complete")
	k.serve()
	k.echo, k.plain, k.ring = k.phone("webrtc"), k.phone("plain"), k.phone("ring")
	for _, p := range []*Process{k.echo, k.plain, k.ring} {
		p.Await("[1 binding]")
	}
	return k
}

func (k *kamailio) serve() {
	k.server = Start(k.t, "kamailio", "-m", "64", "-M", "8", "-DD", "-E", "-f", k.folder+"/kamailio.cfg")
	Await(k.t, "kamailio listens", func() bool {
		return strings.Contains(k.sockets("-ltn"), k.address+":8089") && strings.Contains(k.sockets("-ltn"), k.address+":8088")
	})
}

// phone starts a phone that shows its SIP messages. Phones have a favour of the
// scheduler: what they echo is all that is heard.
func (k *kamailio) phone(folder string) *Process {
	return Start(k.t, "nice", "-n", "-10", "baresip", "-s", "-f", k.folder+"/"+folder)
}

// sockets lists what ss shows.
func (k *kamailio) sockets(args ...string) string {
	text, err := exec.Command("ss", args...).Output()
	if err != nil {
		k.t.Fatalf("ss: %v", err)
	}
	return string(text)
}

// way is how a call gets to Kamailio.
func (k *kamailio) way(secure bool) []string {
	if secure {
		return []string{"--via", "wss://" + k.address + ":8089/ws", "--ca-file", k.folder + "/cert.pem"}
	}
	return []string{"--via", "ws://" + k.address + ":8088/ws"}
}

// args are those of a call to a user, with the right password.
func (k *kamailio) args(user string, secure bool, more ...string) []string {
	all := append([]string{"sip:" + user + "@peers.test", "--username", "probe", "--password-file", k.folder + "/password"}, k.way(secure)...)
	return append(all, more...)
}

func TestKamailio(t *testing.T) {
	table := NewTable(t, "Kamailio "+version(t, "kamailio", "-v", `kamailio (\S+)`)+", baresip "+
		version(t, "baresip", "-h", `baresip v(\S+)`)+", rtpengine "+version(t, "rtpengine", "--version", `Version: (\S+)`))
	k := startKamailio(t)
	t.Run("calls", func(t *testing.T) { k.calls(t, table) })
	t.Run("a call that lasts", func(t *testing.T) { k.lasting(t, table) })
	t.Run("refusals", func(t *testing.T) { k.refusals(t, table) })
	t.Run("a call given up while it rings", k.givenUp)
	t.Run("nothing is left", k.nothingLeft)
	t.Run("the phone dies during a call", func(t *testing.T) { k.phoneDies(t, table) })
	t.Run("the server dies during a call", func(t *testing.T) { k.serverDies(t, table) })
	table.Note("baresip decodes and encodes again: no echo of it shows our packets, so the uplink is known by receiver reports alone, and those come every 5 s")
	table.Note("baresip's answer has no a=mid; rtpengine's has neither a=ssrc nor BUNDLE")
	table.Note("every request is challenged here, BYE included; Kamailio pings each idle WebSocket after 5 s and drops who has not answered 5 s later")
	table.Note("baresip echoes one call at a time: the bridge is one for all its calls")
}

// version finds out what is measured.
func version(t *testing.T, program, flag, pattern string) string {
	text, _ := exec.Command(program, flag).CombinedOutput() // some exit with an error after saying it
	match := regexp.MustCompile(pattern).FindSubmatch(text)
	if match == nil {
		return "of unknown version"
	}
	return string(match[1])
}

// calls places calls each way, one after the other at each phone: the bridge
// that baresip echoes through is one for all its calls. A busy host starves the
// phones of time, so that they echo silence; such a call is in the table, and
// another one must show that the way works.
func (k *kamailio) calls(t *testing.T, table *Table) {
	type row struct {
		name, codec string // the codec that is asked for
		secure      bool
		more        []string
		taken       string // "": the one that is asked for
	}
	for user, rows := range map[string][]row{
		"echo": {
			{"ws, baresip by DTLS", "pcmu", false, nil, ""},
			{"wss, baresip by DTLS, registered", "opus", true, []string{"--register"}, ""},
			{"wss, baresip without PCMA", "pcma", true, nil, "pcmu"},
		},
		"plain": {
			{"wss, rtpengine, baresip", "pcmu", true, nil, ""},
			{"ws, rtpengine, baresip, registered", "opus", false, []string{"--register"}, ""},
		},
	} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			for _, c := range rows {
				good, wrong := 0, []string(nil)
				for range 8 {
					r := Place(t, k.args(user, c.secure, append(c.more, "--codec", c.codec, "--duration", "7s")...)...)
					table.Add(c.name, r)
					checkSetUp(t, r, cmp.Or(c.taken, c.codec))
					if wrong = complaints(r); len(wrong) == 0 {
						good++
					}
					if good == 2 {
						break
					}
				}
				if good < 2 {
					t.Errorf("%s: of 8 calls %d showed all, the last one lacks: %s", c.name, good, strings.Join(wrong, "; "))
				}
			}
		})
	}
}

// checkSetUp checks what every call must show, however busy the host is.
func checkSetUp(t *testing.T, r Report, codec string) {
	t.Helper()
	if f := r.Failure; f != nil && f.Layer != "media" && f.Layer != "audio" {
		t.Errorf("the call failed: %+v", f)
	}
	if r.Codec == nil || !strings.EqualFold(r.Codec.Name, codec) {
		t.Errorf("got codec %+v, want %s", r.Codec, codec)
	}
	if len(r.Opinions) != 1 || r.Opinions[0].Source != "X-RTP-Stat" {
		t.Errorf("got opinions %+v, want baresip's X-RTP-Stat", r.Opinions)
	}
}

// complaints are what a call to an echo of baresip's lacks.
func complaints(r Report) []string {
	var all []string
	lacks := func(is bool, format string, args ...any) {
		if !is {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	lacks(r.Failure == nil, "it failed: %+v", r.Failure)
	lacks(r.Echo.Kind == "rebuilder" || r.Echo.Kind == "transcoder", "the echo is a %s, baresip's makes packets of its own", r.Echo.Kind)
	lacks(r.Uplink.Evidence == "rtcp", "the uplink is known by %s, want rtcp", r.Uplink.Evidence)
	lacks(r.Downlink.Evidence == "sequence", "the downlink is known by %s, want sequence", r.Downlink.Evidence)
	lacks(r.Uplink.Lost != nil && *r.Uplink.Lost == 0, "the far end lost packets on this host")
	lacks(r.RoundTrip.Returned > 0, "nothing came back")
	lacks(r.Audio.State == "ok", "audio is %s", r.Audio.State)
	return all
}

var received = regexp.MustCompile(`packets:\s+(\d+)\s+(\d+)`)

// lasting places one long call, and compares with what baresip counted itself.
func (k *kamailio) lasting(t *testing.T, table *Table) {
	before := len(received.FindAllString(k.echo.Log(), -1))
	r := Place(t, k.args("echo", true, "--codec", "pcmu", "--duration", "40s")...)
	table.Add("wss, baresip by DTLS, 40 s", r)
	checkSetUp(t, r, "pcmu")
	if wrong := complaints(r); len(wrong) > 0 {
		t.Errorf("the call lacks: %s", strings.Join(wrong, "; "))
	}
	Await(t, "baresip says what it counted", func() bool { return len(received.FindAllString(k.echo.Log(), -1)) > before })
	all := received.FindAllStringSubmatch(k.echo.Log(), -1)
	got, err := strconv.ParseInt(all[len(all)-1][2], 10, 64)
	// It does not count what comes before its own keys are there.
	if err != nil || got > r.RoundTrip.Sent || got < r.RoundTrip.Sent-10 {
		t.Errorf("baresip counted %d packets (%v), %d were sent", got, err, r.RoundTrip.Sent)
	}
}

func (k *kamailio) refusals(t *testing.T, table *Table) {
	wrong := append([]string{"sip:echo@peers.test", "--username", "probe", "--password-file", k.folder + "/wrong"}, k.way(true)...)
	elsewhere := k.args("echo", false)
	for i, a := range elsewhere {
		elsewhere[i] = strings.Replace(a, ":8088/ws", ":8088/elsewhere", 1)
	}
	for name, c := range map[string]struct {
		args  []string
		layer string
		code  string
	}{
		"wrong password":              {wrong, "signaling", "signaling_unauthorized"},
		"wrong password, registering": {append(wrong, "--register"), "signaling", "signaling_unauthorized"},
		"no account":                  {append([]string{"sip:echo@peers.test"}, k.way(false)...), "signaling", "signaling_unauthorized"},
		"busy":                        {k.args("busy", true), "signaling", "signaling_busy"},
		"nobody registered":           {k.args("nobody", true), "signaling", "signaling_nobody_there"},
		"wrong path":                  {elsewhere, "signaling", "signaling_not_found"},
		"codec that the phone lacks":  {k.args("echo", true, "--codec", "pcma", "--codec-only"), "signaling", "signaling_not_acceptable"},
		"authority that nobody knows": {append([]string{"sip:echo@peers.test"}, k.way(true)[:2]...), "tls", "tls_unknown_authority"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Place(t, c.args...)
			table.Add(name, r)
			if r.Code != 2 || r.FailureCode() != c.code || r.Failure.Layer != c.layer {
				t.Errorf("got exit code %d and failure %+v, want 2 and %s at %s", r.Code, r.Failure, c.code, c.layer)
			}
		})
	}
}

// givenUp interrupts a call while the phone rings: it must stop ringing (I27).
func (k *kamailio) givenUp(t *testing.T) {
	call := Begin(t, k.args("ring", true)...)
	k.ring.Await("\nINVITE sip:")
	call.Interrupt()
	Await(t, "the call ends", call.Over)
	if r := Read(t, call.Log()); r.FailureCode() != "canceled" || r.Failure.Layer != "signaling" {
		t.Errorf("got failure %+v, want canceled at signaling", r.Failure)
	}
	k.ring.Await("\nCANCEL sip:")
}

// nothingLeft looks for calls and connections that stayed.
func (k *kamailio) nothingLeft(t *testing.T) {
	Await(t, "no WebSocket is open", func() bool {
		return !regexp.MustCompile(`:80(88|89)\b`).MatchString(k.sockets("-Htn", "state", "established"))
	})
	for name, p := range map[string]*Process{"echo": k.echo, "plain": k.plain} {
		begun, over := strings.Count(p.Log(), "Call established"), strings.Count(p.Log(), "terminated (duration")
		if begun == 0 || begun != over {
			t.Errorf("%s: %d calls were established and %d are over", name, begun, over)
		}
	}
}

// phoneDies kills the phone: the signalling stands, the media path goes dark.
func (k *kamailio) phoneDies(t *testing.T, table *Table) {
	heard := strings.Count(k.echo.Log(), "incoming rtp for")
	call := Begin(t, k.args("echo", true, "--duration", "2m")...)
	Await(t, "the phone hears the call", func() bool { return strings.Count(k.echo.Log(), "incoming rtp for") > heard })
	time.Sleep(2 * time.Second) // the call goes on for a while
	k.echo.Kill()
	Await(t, "the call ends", call.Over)
	r := Read(t, call.Log())
	table.Add("phone killed in mid-call", r)
	if code := r.FailureCode(); code != "ice_consent_lost" && code != "media_stopped" && code != "media_none" {
		t.Errorf("got failure %+v, want the path lost", r.Failure)
	}
	k.echo = k.phone("webrtc")
	k.echo.Await("[1 binding]")
}

// serverDies kills the server: media flows on, but nobody could end the call by
// signalling any more.
func (k *kamailio) serverDies(t *testing.T, table *Table) {
	heard := strings.Count(k.echo.Log(), "incoming rtp for")
	call := Begin(t, k.args("echo", true, "--duration", "2m")...)
	Await(t, "the phone hears the call", func() bool { return strings.Count(k.echo.Log(), "incoming rtp for") > heard })
	time.Sleep(2 * time.Second) // the call goes on for a while
	k.server.Kill()
	Await(t, "the call ends", call.Over)
	r := Read(t, call.Log())
	table.Add("server killed in mid-call", r)
	if r.FailureCode() != "signaling_connection_dropped" || r.Failure.Layer != "signaling" {
		t.Errorf("got failure %+v, want the broken connection", r.Failure)
	}
	if r.RoundTrip.Returned == 0 {
		t.Error("the figures of the call until then are lost")
	}
}
