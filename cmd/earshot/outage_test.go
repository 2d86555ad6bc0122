//go:build peers && linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sh runs a command that must work.
func sh(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// twoHosts are namespaces with a cable between them.
type twoHosts struct {
	t             *testing.T
	here, there   string    // names
	ends          [2]string // of the cable: here, there
	hereAt, farAt string    // addresses
}

func newTwoHosts(t *testing.T) *twoHosts {
	id := os.Getpid()
	h := &twoHosts{t: t, here: fmt.Sprintf("earshot-a%d", id), there: fmt.Sprintf("earshot-b%d", id),
		ends: [2]string{fmt.Sprintf("ea%d", id%100000), fmt.Sprintf("eb%d", id%100000)}, hereAt: "10.98.0.1", farAt: "10.98.0.2"}
	for _, name := range []string{h.here, h.there} {
		sh(t, "ip", "netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		sh(t, "ip", "-n", name, "link", "set", "lo", "up")
	}
	sh(t, "ip", "link", "add", h.ends[0], "netns", h.here, "type", "veth", "peer", "name", h.ends[1], "netns", h.there)
	sh(t, "ip", "-n", h.here, "addr", "add", h.hereAt+"/24", "dev", h.ends[0])
	sh(t, "ip", "-n", h.there, "addr", "add", h.farAt+"/24", "dev", h.ends[1])
	h.plug("up")
	return h
}

// plug puts the cable in ("up") at both ends.
func (h *twoHosts) plug(how string) {
	h.plugHere(how)
	h.plugThere(how)
}

func (h *twoHosts) plugHere(how string)  { sh(h.t, "ip", "-n", h.here, "link", "set", h.ends[0], how) }
func (h *twoHosts) plugThere(how string) { sh(h.t, "ip", "-n", h.there, "link", "set", h.ends[1], how) }

// in is a command in a namespace.
func in(name string, args ...string) []string {
	return append([]string{"ip", "netns", "exec", name}, args...)
}

// metrics reads the agent's, from within its namespace.
func (h *twoHosts) metrics() string {
	const get = `exec 3<>/dev/tcp/127.0.0.1/9725; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3`
	args := in(h.here, "bash", "-c", get)
	out, _ := exec.Command(args[0], args[1:]...).Output()
	return string(out)
}

// TestAgentWithoutNetwork pulls the cable while calls run, and puts it back, at
// either end: the agent names what broke, and finds back by itself.
func TestAgentWithoutNetwork(t *testing.T) {
	h := newTwoHosts(t)
	earshot := program(t)
	file := filepath.Join(t.TempDir(), "earshot.yml")
	text := fmt.Sprintf(`
defaults: {every: 5s, duration: 1s, codec: pcmu}
limits: {bad_mos: 1, loss: 100%%, jitter: 10s, rtt: 10s}
trust: {send_late: 10s, missed: 100%%}
targets:
  - {name: often, url: "http://%[1]s:8443/echo"}
  - {name: always, url: "http://%[1]s:8443/echo", mode: continuous, window: 1s}
`, h.farAt)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	beginProcess(t, in(h.there, earshot, "echo", "--listen", h.farAt+":8443")...)
	agent := beginProcess(t, in(h.here, earshot, "agent", "--config", file, "--web.listen-address", "127.0.0.1:9725")...)
	count := func(name, target string) int { return counter(h.metrics(), name, target) }
	failed := func(target, layer, code string) (sum int) {
		line := regexp.MustCompile(`earshot_calls_failed_total\{code="` + code + `",layer="` + layer + `",target="` + target + `"\} (\d+)`)
		for _, found := range line.FindAllStringSubmatch(h.metrics(), -1) {
			n, _ := strconv.Atoi(found[1])
			sum += n
		}
		return sum
	}
	waitUntil(t, agent, "both targets are measured", func() bool {
		return count("earshot_calls_good_total", "often") > 0 && count("earshot_windows_total", "always") > 2
	})
	for _, outage := range []struct {
		name        string
		plug        func(string)
		layer, code string
	}{
		{"the cable is pulled here", h.plugHere, "gather", "gather_no_candidate"},
		{"the cable is pulled at the far end", h.plugThere, "connect", `connect_\w+`},
	} {
		lost, again := failed("always", "ice", "ice_consent_lost"), failed("always", outage.layer, outage.code)
		outage.plug("down")
		waitUntil(t, agent, outage.name+": calls on schedule fail at "+outage.layer, func() bool { return failed("often", outage.layer, outage.code) > 1 })
		waitUntil(t, agent, "the lasting call has died, and its layer is counted", func() bool { return failed("always", "ice", "ice_consent_lost") == lost+1 })
		waitUntil(t, agent, "it is tried again", func() bool { return failed("always", outage.layer, outage.code) > again+1 })
		windows, good := count("earshot_windows_total", "always"), count("earshot_calls_good_total", "often")
		outage.plug("up")
		waitUntil(t, agent, "both targets are measured again", func() bool {
			return count("earshot_calls_good_total", "often") > good && count("earshot_windows_total", "always") > windows+2
		})
	}
	for _, target := range []string{"often", "always"} {
		text := h.metrics()
		sum := counter(text, "earshot_calls_good_total", target) + counter(text, "earshot_calls_degraded_total", target) +
			counter(text, "earshot_calls_failed_total", target) + counter(text, "earshot_calls_untrusted_total", target)
		if calls := counter(text, "earshot_calls_total", target); calls != sum {
			t.Errorf("%s: %d calls, %d with a verdict", target, calls, sum)
		}
	}
	agent.end(syscall.SIGTERM)
}

// clockSteps is how the wall clock of the agent under test is set while it runs:
// by more than a day forward, then back past where it was.
const clockSteps = `
func step(mono int64) int64 {
	switch {
	case mono < 15e9:
		return 0
	case mono < 30e9:
		return 26 * 3600
	}
	return -26 * 3600
}

// Unstepped is the time that the kernel stamps packets with.
func Unstepped() Time {
	t := Now()
	return Time{t.wall - uint64(step(t.ext))<<nsecShift, t.ext, t.loc}
}
`

// steppedProgram is the command whose every reading of the wall clock is off by
// clockSteps, as if somebody had set it. Only what compares it with the kernel's
// stamps of packets, which would have been set too, is left alone.
func steppedProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	edit := func(file string, edits ...string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		edited := string(text)
		for i := 0; i < len(edits); i += 2 {
			if strings.Count(edited, edits[i]) != 1 {
				t.Fatalf("%s has another form than this test edits: %q is not in it once", file, edits[i])
			}
			edited = strings.Replace(edited, edits[i], edits[i+1], 1)
		}
		copied := filepath.Join(dir, filepath.Base(file))
		if err := os.WriteFile(copied, []byte(edited), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[file] = copied
	}
	edit(filepath.Join(runtime.GOROOT(), "src/time/time.go"),
		"\tmono -= startNano\n\tsec += unixToInternal - minWall\n\tif uint64(sec)>>33 != 0 {\n\t\t// Seconds field overflowed the 33 bits available when\n\t\t// storing a monotonic time. This will be true after\n\t\t// March 16, 2157.\n\t\treturn Time{uint64(nsec), sec + minWall, Local}",
		"\tmono -= startNano\n\tsec += step(mono)\n\tsec += unixToInternal - minWall\n\tif uint64(sec)>>33 != 0 {\n\t\treturn Time{uint64(nsec), sec + minWall, Local}",
		"\nfunc unixTime(", clockSteps+"\nfunc unixTime(")
	socket, err := filepath.Abs("../../internal/udp/socket_linux.go")
	if err != nil {
		t.Fatal(err)
	}
	edit(socket, "time.Now() // both clocks at once", "time.Unstepped()")
	overlay := filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err == nil {
		err = os.WriteFile(overlay, list, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "earshot")
	sh(t, "go", "build", "-overlay", overlay, "-o", path, ".")
	return path
}

// TestAgentWhoseClockIsSet sets the clock while an agent runs, forward and back by
// a day. The books of an echo whose clock is right are the witness: calls go on
// every five seconds, and the one that stays up stays up.
func TestAgentWhoseClockIsSet(t *testing.T) {
	stepped, earshot := steppedProgram(t), program(t)
	dir := t.TempDir()
	at, web := freePort(t), freePort(t)
	books := filepath.Join(dir, "calls.jsonl")
	file := filepath.Join(dir, "earshot.yml")
	text := fmt.Sprintf(`
defaults: {every: 5s, duration: 1s}
limits: {bad_mos: 1, loss: 100%%, jitter: 10s, rtt: 10s}
trust: {send_late: 10s, missed: 100%%}
targets:
  - {name: often, url: "http://%[1]s/echo", codec: pcmu}
  - {name: always, url: "http://%[1]s/echo", codec: opus, mode: continuous, window: 1s}
`, at)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	echo := beginProcess(t, earshot, "echo", "--listen", at, "--ledger", books)
	agent := beginProcess(t, stepped, "agent", "--config", file, "--web.listen-address", web)
	began := time.Now()
	for time.Since(began) < 50*time.Second {
		time.Sleep(time.Second)
	}
	text = body("http://" + web + "/metrics")
	for _, target := range []string{"often", "always"} {
		if n := counter(text, "earshot_calls_failed_total", target); n != 0 {
			t.Errorf("%s: %d calls failed", target, n)
		}
	}
	if n := counter(text, "earshot_windows_total", "always"); n < 35 {
		t.Errorf("got %d windows of a second in 50 s", n)
	}
	if n := counter(text, "earshot_schedule_skipped_total", "often"); n != 0 {
		t.Errorf("%d slots were skipped", n)
	}
	agent.end(syscall.SIGTERM)
	if said := agent.log.String(); !strings.Contains(said, time.Now().Add(-26*time.Hour).UTC().Format("time=2006-01-02")) {
		t.Errorf("the log of the agent shows no clock that was set:\n%s", said)
	}
	echo.end(syscall.SIGTERM)
	checkBooks(t, books)
}

// checkBooks looks at the calls as the echo saw them.
func checkBooks(t *testing.T, name string) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var often []time.Time
	lasting := 0
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var call struct {
			Started time.Time
			Seconds float64
			Codec   string
		}
		if err := json.Unmarshal(lines.Bytes(), &call); err != nil {
			t.Fatal(err)
		}
		if call.Codec == "PCMU" {
			often = append(often, call.Started)
			continue
		}
		if lasting++; call.Seconds < 40 {
			t.Errorf("the call that was to stay up lasted for %.0f s", call.Seconds)
		}
	}
	if lasting != 1 || len(often) < 9 || len(often) > 11 {
		t.Errorf("the echo had %d calls on schedule and %d lasting ones in 50 s; want 10, one more or less, and 1", len(often), lasting)
	}
	for i := range len(often) - 1 {
		if gap := often[i+1].Sub(often[i]).Seconds(); math.Abs(gap-5) > 2 {
			t.Errorf("call %d began %.1f s after the one before, want 5 s", i+1, gap)
		}
	}
	t.Logf("%d calls on schedule, every five seconds, and one that stayed up, while the clock was set by +26 h and by -52 h", len(often))
}
