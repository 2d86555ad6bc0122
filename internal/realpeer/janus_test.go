//go:build peers

package realpeer

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// janus is a Janus gateway with its EchoTest.
type janus struct {
	t               *testing.T
	address, folder string
	gateway         *Process
}

func startJanus(t *testing.T) *janus {
	t.Helper()
	Need(t, "janus", "openssl", "ss")
	j := &janus{t: t, address: Setting(t, "ADDRESS")}
	j.folder = Fill(t, "testdata/janus", map[string]string{"LIBRARIES": Setting(t, "JANUS_LIBRARIES"), "SECRET": secret})
	certificate(t, j.folder, j.address)
	j.serve()
	return j
}

func (j *janus) serve() {
	j.gateway = Start(j.t, "nice", "-n", "-10", "janus", "--configs-folder", j.folder, "--config", j.folder+"/janus.jcfg")
	Await(j.t, "janus listens", func() bool {
		text, err := exec.Command("ss", "-Hltn").Output()
		return err == nil && strings.Contains(string(text), ":8088") && strings.Contains(string(text), ":8989")
	})
}

// ways are the four ways to the gateway.
func (j *janus) ways() map[string]string {
	return map[string]string{
		"http": "janus+http://" + j.address + ":8088/janus", "https": "janus+https://" + j.address + ":8089/janus",
		"ws": "janus+ws://" + j.address + ":8188/", "wss": "janus+wss://" + j.address + ":8989/",
	}
}

// args are those of a call with the right secret.
func (j *janus) args(way string, more ...string) []string {
	return append([]string{j.ways()[way], "--password-file", j.folder + "/secret", "--ca-file", j.folder + "/cert.pem"}, more...)
}

func TestJanus(t *testing.T) {
	table := NewTable(t, "Janus "+version(t, "janus", "--version", `Janus version: \d+ \((\S+)\)`))
	j := startJanus(t)
	t.Run("calls", func(t *testing.T) { j.calls(t, table) })
	t.Run("a call that lasts", func(t *testing.T) { j.lasting(t, table) })
	t.Run("refusals", func(t *testing.T) { j.refusals(t, table) })
	t.Run("nothing is left", j.nothingLeft)
	t.Run("the gateway dies during a call", func(t *testing.T) { j.dies(t, table) })
	table.Note("EchoTest returns our packets under sequence numbers from 1 and timestamps from 0: gaps of the uplink come back as gaps")
	table.Note("receiver reports tell of the uplink every second; Janus offers no loopback address for media")
}

func (j *janus) calls(t *testing.T, table *Table) {
	for way, codec := range map[string]string{"http": "pcmu", "https": "opus", "ws": "pcma", "wss": "pcmu"} {
		t.Run(way, func(t *testing.T) {
			r := Place(t, j.args(way, "--codec", codec, "--duration", "7s")...)
			table.Add(way, r)
			j.check(t, r, codec)
		})
	}
}

// check checks what every call to an EchoTest must show, however busy the host
// is.
func (j *janus) check(t *testing.T, r Report, codec string) {
	t.Helper()
	if r.Failure != nil {
		t.Errorf("the call failed: %+v", r.Failure)
		return
	}
	if r.Codec == nil || !strings.EqualFold(r.Codec.Name, codec) {
		t.Errorf("got codec %+v, want %s", r.Codec, codec)
	}
	if r.Echo.Kind != "rebuilder" || r.Uplink.Evidence != "rtcp" || r.Audio.State != "ok" {
		t.Errorf("got a %s, uplink by %s, audio %s; want a rebuilder, rtcp and ok", r.Echo.Kind, r.Uplink.Evidence, r.Audio.State)
	}
	if r.RoundTrip.RTT == nil || r.RoundTrip.RTT.P50 <= 0 || r.RoundTrip.RTT.P50 > 1 {
		t.Errorf("got round trip %+v, want it known by packet", r.RoundTrip.RTT)
	}
	if lost := r.RoundTrip.Sent - r.RoundTrip.Returned; lost > r.RoundTrip.Sent/20 {
		t.Errorf("%d of %d packets did not come back on this host", lost, r.RoundTrip.Sent)
	}
}

// lasting places one call that outlives the gateway's session timeout of 60 s: it
// must be kept alive.
func (j *janus) lasting(t *testing.T, table *Table) {
	r := Place(t, j.args("wss", "--codec", "pcmu", "--duration", "75s")...)
	table.Add("wss, 75 s", r)
	j.check(t, r, "pcmu")
}

func (j *janus) refusals(t *testing.T, table *Table) {
	for _, way := range []string{"http", "wss"} {
		for name, c := range map[string]struct {
			args []string
			code string
		}{
			"wrong secret":        {[]string{j.ways()[way], "--password-file", j.folder + "/wrong", "--ca-file", j.folder + "/cert.pem"}, "signaling_unauthorized"},
			"not a gateway there": {[]string{strings.Replace(j.ways()[way], "janus+"+way, "janus+"+map[string]string{"http": "ws", "wss": "https"}[way], 1), "--ca-file", j.folder + "/cert.pem"}, ""},
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				r := Place(t, c.args...)
				table.Add(way+", "+name, r)
				if r.Code != 2 || r.Failure == nil || r.Failure.Layer != "signaling" || c.code != "" && r.FailureCode() != c.code {
					t.Errorf("got exit code %d and failure %+v, want 2 and %s at signaling", r.Code, r.Failure, c.code)
				}
			})
		}
	}
	r := Place(t, j.ways()["https"])
	table.Add("authority that nobody knows", r)
	if r.FailureCode() != "tls_unknown_authority" {
		t.Errorf("got failure %+v, want tls_unknown_authority", r.Failure)
	}
}

var (
	sessionBegun = regexp.MustCompile(`Creating new session: (\d+)`)
	sessionOver  = regexp.MustCompile(`Destroying session (\d+)`)
)

// nothingLeft asks the gateway's log: every session that it made is destroyed.
func (j *janus) nothingLeft(t *testing.T) {
	Await(t, "every session is destroyed", func() bool {
		log := j.gateway.Log()
		over := map[string]bool{}
		for _, m := range sessionOver.FindAllStringSubmatch(log, -1) {
			over[m[1]] = true
		}
		begun := sessionBegun.FindAllStringSubmatch(log, -1)
		for _, m := range begun {
			if !over[m[1]] {
				return false
			}
		}
		return len(begun) > 0
	})
}

// dies kills the gateway: signalling and media go at once.
func (j *janus) dies(t *testing.T, table *Table) {
	for _, way := range []string{"ws", "https"} {
		before := strings.Count(j.gateway.Log(), "The DTLS handshake has been completed")
		call := Begin(t, j.args(way, "--codec", "pcmu", "--duration", "2m")...)
		Await(t, "the call is up", func() bool { return strings.Count(j.gateway.Log(), "The DTLS handshake has been completed") > before })
		time.Sleep(2 * time.Second) // the call goes on for a while
		j.gateway.Kill()
		Await(t, "the call ends", call.Over)
		r := Read(t, call.Log())
		table.Add(way+", gateway killed in mid-call", r)
		if r.FailureCode() != "signaling_connection_dropped" || r.RoundTrip.Returned == 0 {
			t.Errorf("got failure %+v and %d packets, want the broken connection and the figures until then", r.Failure, r.RoundTrip.Returned)
		}
		j.serve()
	}
}
