package main

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience bounds what a script waits for. It is reached by broken code only.
const patience = 20 * time.Second

type backgrounds struct{} // key of the programs that run beside a script

// background is an earshot that runs beside a script until that ends.
type background struct {
	cmd  *exec.Cmd
	out  *os.File
	over chan struct{} // closed when it has ended; err is what it ended with
	err  error

	mu     sync.Mutex
	errors strings.Builder // its standard error
	heard  int             // of which await has matched so many bytes
}

// begin runs earshot beside the script.
func begin(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: begin NAME COMMAND arg...")
	}
	program, err := exec.LookPath("earshot")
	ts.Check(err)
	b := &background{cmd: exec.Command(program, args[1:]...), over: make(chan struct{})}
	b.cmd.Dir = ts.MkAbs(".")
	b.out, err = os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	b.cmd.Stdout = b.out
	r, w, err := os.Pipe()
	ts.Check(err)
	b.cmd.Stderr = w
	ts.Check(b.cmd.Start())
	w.Close()
	go b.follow(r)
	ts.Defer(func() {
		_ = b.cmd.Process.Kill()
		<-b.over
	})
	ts.Value(backgrounds{}).(map[string]*background)[args[0]] = b
}

// follow keeps what the program says until it ends.
func (b *background) follow(r *os.File) {
	defer close(b.over)
	defer b.out.Close()
	defer r.Close()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		b.mu.Lock()
		b.errors.WriteString(lines.Text() + "\n")
		b.mu.Unlock()
	}
	b.err = b.cmd.Wait()
}

// wait waits until the program says what matches, after what was waited for
// before, and returns the match with its groups.
func (b *background) wait(ts *testscript.TestScript, pattern *regexp.Regexp) []string {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		over := false
		select {
		case <-b.over:
			over = true
		default:
		}
		b.mu.Lock()
		said := b.errors.String()
		rest := said[b.heard:]
		found := pattern.FindStringSubmatchIndex(rest)
		if found != nil {
			b.heard += found[1]
		}
		b.mu.Unlock()
		switch {
		case found != nil:
			return pattern.FindStringSubmatch(rest)
		case over:
			ts.Fatalf("the program ended: %v: %s", b.err, said)
		case time.Now().After(end):
			ts.Fatalf("the program does not say %v; it said: %s", pattern, said)
		}
	}
}

var listens = regexp.MustCompile(`(?m)^listening on (\w+://(.*:(\d+))[^,]*),.*\n`)

// serve begins an echo and waits until it listens.
func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve NAME arg...")
	}
	name := args[0]
	begin(ts, false, append([]string{name, "echo"}, args[1:]...))
	found := beside(ts, name).wait(ts, listens)
	ts.Setenv(name, found[1])
	ts.Setenv(name+"_ADDRESS", found[2])
	ts.Setenv(name+"_PORT", found[3])
}

// beside is a program that was begun.
func beside(ts *testscript.TestScript, name string) *background {
	b := ts.Value(backgrounds{}).(map[string]*background)[name]
	if b == nil {
		ts.Fatalf("no program %s runs", name)
	}
	return b
}

// await waits until a program says something.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: await NAME REGEXP [VARIABLE]")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	found := beside(ts, args[0]).wait(ts, pattern)
	if len(args) == 3 {
		ts.Setenv(args[2], found[1])
	}
}

// ask sends a request; what comes back is standard output, whatever its status.
// With a pattern it asks again until what comes back has a match.
func ask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: ask METHOD URL [REGEXP]")
	}
	pattern := regexp.MustCompile("")
	if len(args) == 3 {
		var err error
		pattern, err = regexp.Compile("(?m)" + args[2])
		ts.Check(err)
	}
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		text := answer(ts, args[0], args[1])
		if pattern.MatchString(text) {
			_, _ = io.WriteString(ts.Stdout(), text)
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s %s has no match for %s: %s", args[0], args[1], args[2], text)
		}
	}
}

func answer(ts *testscript.TestScript, method, url string) string {
	request, err := http.NewRequest(method, url, nil)
	ts.Check(err)
	client := http.Client{Timeout: patience}
	response, err := client.Do(request)
	ts.Check(err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	ts.Check(err)
	return string(text)
}

var signals = map[string]os.Signal{"HUP": syscall.SIGHUP, "INT": os.Interrupt, "TERM": syscall.SIGTERM, "KILL": os.Kill}

// signal sends a signal.
func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || signals[args[1]] == nil {
		ts.Fatalf("usage: signal NAME HUP|INT|TERM|KILL")
	}
	ts.Check(beside(ts, args[0]).cmd.Process.Signal(signals[args[1]]))
}

// halt interrupts a program, or waits for the end of one that was told to end
// otherwise.
func halt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 || len(args) == 2 && signals[args[1]] == nil {
		ts.Fatalf("usage: halt NAME [SIGNAL]")
	}
	b := beside(ts, args[0])
	how := os.Interrupt
	if len(args) == 2 {
		how = signals[args[1]]
	}
	ts.Check(b.cmd.Process.Signal(how))
	select {
	case <-b.over:
	case <-time.After(patience):
		ts.Fatalf("the program does not end")
	}
	if b.err != nil && how != os.Kill {
		ts.Fatalf("%v: %s", b.err, b.errors.String())
	}
	text, err := os.ReadFile(b.out.Name())
	ts.Check(err)
	_, _ = ts.Stdout().Write(text)
	_, _ = io.WriteString(ts.Stderr(), b.errors.String())
}
