//go:build peers && linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long bounds what these tests wait for. It is reached by broken code only.
const long = 90 * time.Second

// process is a real earshot that is killed and started again.
type process struct {
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	log  bytes.Buffer
}

// program is the command, built once.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "earshot")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.args[0], p.args[1:]...)
	p.cmd.Stderr = &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *process) end(signal syscall.Signal) {
	_ = p.cmd.Process.Signal(signal)
	err := p.cmd.Wait()
	if signal == syscall.SIGTERM && err != nil {
		p.t.Errorf("%v ends with %v:\n%s", p.args, err, p.log.String())
	}
	p.cmd = nil
}

func beginProcess(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, args: args}
	p.start()
	t.Cleanup(func() {
		if p.cmd != nil {
			p.end(syscall.SIGKILL)
		}
	})
	return p
}

// freePort is one that nothing uses.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// body of a page; empty while nobody answers.
func body(address string) string {
	client := http.Client{Timeout: 20 * time.Second}
	r, err := client.Get(address)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		return ""
	}
	return string(b)
}

func waitUntil(t *testing.T, p *process, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			said := p.log.Bytes()
			t.Fatalf("%s: never; the last words of the agent:\n%s", what, said[max(0, len(said)-3000):])
		}
	}
}

type listedCall struct {
	ID, Name, Verdict string
	Started           time.Time
}

// allCalls reads the whole history, page by page.
func allCalls(t *testing.T, web string) map[string]listedCall {
	t.Helper()
	all := map[string]listedCall{}
	for before := ""; ; {
		text := body("http://" + web + "/api/v1/calls?limit=200" + before)
		var page struct {
			Calls []listedCall
			Next  *string
		}
		if err := json.Unmarshal([]byte(text), &page); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		for _, c := range page.Calls {
			all[c.ID] = c
		}
		if page.Next == nil {
			return all
		}
		before = "&before=" + *page.Next
	}
}

// counter is the value of a counter of a target in an exposition, over all other
// labels.
func counter(text, name, target string) (sum int) {
	for _, m := range regexp.MustCompile(`(?m)^`+name+`\{([^}]*)\} (\d+)$`).FindAllStringSubmatch(text, -1) {
		if strings.Contains(m[1], `target="`+target+`"`) {
			n, _ := strconv.Atoi(m[2])
			sum += n
		}
	}
	return sum
}

// configuration with some targets at an echo, one that stays up, and one where
// nothing listens.
func configuration(t *testing.T, echo, kept string) (path string, names []string) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "defaults: {every: 5s, duration: 1s, codec: pcmu}\nhistory: {path: %s, good_calls: 100000, bad_calls: 100000}\ntargets:\n", kept)
	for i := range 8 {
		name := fmt.Sprintf("office-%d", i)
		names = append(names, name)
		fmt.Fprintf(&b, "  - {name: %s, url: \"http://%s/echo\"}\n", name, echo)
	}
	fmt.Fprintf(&b, "  - {name: trunk, url: \"http://%s/echo\", mode: continuous, window: 1s}\n", echo)
	fmt.Fprintf(&b, "  - {name: nobody, url: \"http://127.0.0.1:9/echo\"}\n")
	path = filepath.Join(t.TempDir(), "earshot.yml")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, append(names, "nobody")
}

// TestAgentAndEchoAreKilled kills the agent twenty times, and the echo every
// other time, while calls run: whatever the agent had shown as history is there
// after the next start, with its report, and the counters say what happened since.
func TestAgentAndEchoAreKilled(t *testing.T) {
	earshot, kept := program(t), filepath.Join(t.TempDir(), "kept")
	at, web := freePort(t), freePort(t)
	file, names := configuration(t, at, kept)
	echo := beginProcess(t, earshot, "echo", "--listen", at)
	agent := beginProcess(t, earshot, "agent", "--config", file, "--web.listen-address", web)
	seen, since := map[string]listedCall{}, time.Time{}
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 9))
	for round := range 20 {
		waitUntil(t, agent, "ready", func() bool { return body("http://"+web+"/-/ready") != "" })
		time.Sleep(time.Duration(1000+random.IntN(3000)) * time.Millisecond)
		for id, c := range allCalls(t, web) {
			seen[id] = c
		}
		agent.end(syscall.SIGKILL)
		if round%2 == 1 {
			echo.end(syscall.SIGKILL)
			echo.start()
		}
		since = time.Now().Truncate(time.Millisecond)
		agent.start()
		waitUntil(t, agent, "ready again", func() bool { return body("http://"+web+"/-/ready") != "" })
		have := allCalls(t, web)
		for id := range seen {
			if _, ok := have[id]; !ok {
				t.Fatalf("round %d: call %s was in the history and is gone", round, id)
			}
		}
	}
	for id := range seen {
		var r struct{ ID, Schema string }
		if text := body("http://" + web + "/api/v1/calls/" + id); json.Unmarshal([]byte(text), &r) != nil || r.ID != id || r.Schema != "earshot.report/v1" {
			t.Fatalf("call %s has no report: %q", id, text)
		}
	}
	if aside, err := filepath.Glob(filepath.Join(kept, "*damaged*")); err != nil || len(aside) != 0 {
		t.Errorf("a kill damaged the history: %v", aside)
	}
	t.Logf("%d calls were in the history over 20 kills of the agent and 10 of the echo; all are there", len(seen))
	countersAgree(t, agent, web, since, names)
}

// countersAgree compares the counters with the history since the last start, and
// the verdicts with their sum. A call is counted a moment before it is in the
// history, so each target has to agree at some moment, not all at once.
func countersAgree(t *testing.T, agent *process, web string, since time.Time, names []string) {
	t.Helper()
	waitUntil(t, agent, "three more calls of each target", func() bool {
		text := body("http://" + web + "/metrics")
		for _, name := range names {
			if counter(text, "earshot_calls_total", name) < 3 {
				return false
			}
		}
		return true
	})
	left := slices.Clone(names)
	waitUntil(t, agent, "the history and the counters agree", func() bool {
		metrics, kept := body("http://"+web+"/metrics"), map[string]map[string]int{}
		for _, c := range allCalls(t, web) {
			if kept[c.Name] == nil {
				kept[c.Name] = map[string]int{}
			}
			if !c.Started.Before(since) {
				kept[c.Name]["all"]++
				kept[c.Name][c.Verdict]++
			}
		}
		left = slices.DeleteFunc(left, func(name string) bool {
			return counter(metrics, "earshot_calls_total", name) == kept[name]["all"] &&
				counter(metrics, "earshot_calls_failed_total", name) == kept[name]["failed"] &&
				counter(metrics, "earshot_calls_degraded_total", name) == kept[name]["degraded"] &&
				counter(metrics, "earshot_calls_untrusted_total", name) == kept[name]["untrusted"]
		})
		return len(left) == 0
	})
	if counter(body("http://"+web+"/metrics"), "earshot_calls_failed_total", "nobody") == 0 {
		t.Error("calls to a port where nothing listens are not counted as failed")
	}
	waitUntil(t, agent, "the call that stays up is up", func() bool {
		return regexp.MustCompile(`"windows": [1-9]`).MatchString(body("http://" + web + "/api/v1/targets"))
	})
	t.Logf("counters and history agree for all %d targets", len(names))
	agent.end(syscall.SIGTERM)
}

// TestFullDiskOfTheAgent fills the disk under the history: calls and metrics go
// on, it is said, and what waited is there when there is room again.
func TestFullDiskOfTheAgent(t *testing.T) {
	earshot, disk := program(t), t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("mount a small disk (needs root): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	at, web := freePort(t), freePort(t)
	file, _ := configuration(t, at, filepath.Join(disk, "kept"))
	beginProcess(t, earshot, "echo", "--listen", at)
	agent := beginProcess(t, earshot, "agent", "--config", file, "--web.listen-address", web)
	writable := func(want string) func() bool {
		return func() bool {
			return strings.Contains(body("http://"+web+"/metrics"), "\nearshot_history_writable "+want+"\n")
		}
	}
	waitUntil(t, agent, "the first call in the history", func() bool { return strings.Contains(body("http://"+web+"/api/v1/calls"), `"id"`) })
	filler := filepath.Join(disk, "filler")
	if err := os.WriteFile(filler, make([]byte, 8<<20), 0o600); err == nil {
		t.Fatal("the disk does not fill up")
	}
	waitUntil(t, agent, "the full disk is noticed", writable("0"))
	if page := body("http://" + web + "/"); !strings.Contains(page, "the history has not been written since") || !strings.Contains(page, "no space left on device") {
		t.Errorf("the page does not say that the disk is full:\n%.3000s", page)
	}
	if ready := body("http://" + web + "/-/ready"); !strings.Contains(ready, "no space left on device") {
		t.Errorf("/-/ready says %q", ready)
	}
	calls := counter(body("http://"+web+"/metrics"), "earshot_calls_total", "office-1")
	waitUntil(t, agent, "calls go on", func() bool { return counter(body("http://"+web+"/metrics"), "earshot_calls_total", "office-1") > calls })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, agent, "it is written again", writable("1"))
	waitUntil(t, agent, "what waited is in the history", func() bool {
		count := 0
		for _, c := range allCalls(t, web) {
			if c.Name == "office-1" {
				count++
			}
		}
		return count >= counter(body("http://"+web+"/metrics"), "earshot_calls_total", "office-1")
	})
	agent.end(syscall.SIGTERM)
	if !strings.Contains(agent.log.String(), "history cannot be written") || !strings.Contains(agent.log.String(), "history is written again") {
		t.Errorf("the log does not say it:\n%s", agent.log.String())
	}
}
