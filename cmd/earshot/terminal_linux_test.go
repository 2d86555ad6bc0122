package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// openTerminal returns both ends of a pseudo-terminal of 80 by 24.
func openTerminal(t *testing.T) (outer, inner *os.File) {
	t.Helper()
	outer, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { outer.Close() })
	fd := int(outer.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	inner, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return outer, inner
}

// session is earshot with standard error on a terminal and standard output in
// a pipe.
type session struct {
	cmd    *exec.Cmd
	result bytes.Buffer

	mu     sync.Mutex
	shown  strings.Builder
	closed chan struct{}
}

func startOnTerminal(t *testing.T, env []string, args ...string) *session {
	t.Helper()
	program, err := exec.LookPath("earshot") // testscript.Main puts it into the path
	if err != nil {
		t.Fatal(err)
	}
	outer, inner := openTerminal(t)
	s := &session{cmd: exec.Command(program, args...), closed: make(chan struct{})}
	s.cmd.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR=", "LC_ALL=C.UTF-8"), env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.result, inner
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inner.Close()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	go func() {
		defer close(s.closed)
		b := make([]byte, 4096)
		for {
			n, err := outer.Read(b)
			s.mu.Lock()
			s.shown.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *session) screen() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

// waitFor waits until text was shown.
func (s *session) waitFor(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(patience); !strings.Contains(s.screen(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%q was not shown, but\n%q", text, s.screen())
		}
	}
}

// end waits for the exit and returns the code.
func (s *session) end(t *testing.T) int {
	t.Helper()
	stuck := time.AfterFunc(patience, func() { _ = s.cmd.Process.Signal(unix.SIGQUIT) })
	_ = s.cmd.Wait()
	<-s.closed
	if !stuck.Stop() {
		t.Fatalf("it did not end:\n%s", s.screen())
	}
	return s.cmd.ProcessState.ExitCode()
}

// callOnTerminal places a call that is over after seconds and returns when it is.
func callOnTerminal(t *testing.T, env []string, args ...string) *session {
	t.Helper()
	s := startOnTerminal(t, env, append([]string{"call"}, args...)...)
	if code := s.end(t); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	return s
}

// echoProcess is earshot echo.
type echoProcess struct {
	cmd    *exec.Cmd
	url    string
	stderr *bufio.Reader // after the line with the URL
	ledger bytes.Buffer
}

func startEcho(t *testing.T) *echoProcess {
	t.Helper()
	program, err := exec.LookPath("earshot")
	if err != nil {
		t.Fatal(err)
	}
	e := &echoProcess{cmd: exec.Command(program, "echo", "--listen", "127.0.0.1:0", "--ledger", "-")}
	e.cmd.Stdout = &e.ledger
	lines, err := e.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = e.cmd.Process.Kill()
		_ = e.cmd.Wait()
	})
	e.stderr = bufio.NewReader(lines)
	first, err := e.stderr.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	e.url, _, _ = strings.Cut(strings.TrimPrefix(first, "listening on "), ",")
	return e
}

func TestCallIsShownLiveOnATerminal(t *testing.T) {
	t.Parallel()
	s := callOnTerminal(t, nil, "--duration", "1500ms", "--output", "json")
	for _, want := range []string{"resolve", "✓", "1 host", "AEAD_AES", "packets sent", "of 2 s", "\x1b[32m"} {
		if !strings.Contains(s.screen(), want) {
			t.Errorf("%q was not shown", want)
		}
	}
	if !regexp.MustCompile(`A(\x1b\[K\r\n)+\r\x1b\[[0-9]+A$`).MatchString(s.screen()) {
		t.Errorf("the view is not erased at the end: %q", s.screen())
	}
	if !json.Valid(s.result.Bytes()) {
		t.Errorf("standard output is not JSON alone:\n%s", &s.result)
	}
}

func TestCallIsNotShownLiveWhereThatIsUnwelcome(t *testing.T) {
	for _, c := range []struct{ name, env string }{
		{"with NO_COLOR", "NO_COLOR=1"},
		{"on a dumb terminal", "TERM=dumb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := callOnTerminal(t, []string{c.env}, "--duration", "1s")
			if got := s.screen(); got != "" {
				t.Errorf("shown: %q", got)
			}
		})
	}
}

func TestInterruptHangsUpAndReports(t *testing.T) {
	t.Parallel()
	s := startOnTerminal(t, nil, "call", "--duration", "1h", "--output", "json")
	s.waitFor(t, "packets sent")
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.end(t); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	var report struct {
		Failure   struct{ Layer, Code string }
		RoundTrip struct {
			Sent int `json:"packets_sent"`
		} `json:"round_trip"`
	}
	if err := json.Unmarshal(s.result.Bytes(), &report); err != nil {
		t.Fatalf("%v: %s", err, &s.result)
	}
	if report.Failure.Layer != "media" || report.Failure.Code != "canceled" || report.RoundTrip.Sent == 0 {
		t.Errorf("got %+v", report)
	}
}

func TestSecondInterruptEndsAtOnce(t *testing.T) {
	t.Parallel()
	echo := startEcho(t)
	s := startOnTerminal(t, nil, "call", echo.url, "--duration", "1h")
	s.waitFor(t, "packets sent")
	// An echo that is stopped keeps the hang-up waiting for its deadline. It is not
	// stopped before one of its threads has run, and the others go on until then.
	if err := echo.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := unix.Waitid(unix.P_PID, echo.cmd.Process.Pid, nil, unix.WSTOPPED, nil); err != nil {
		t.Fatal(err)
	}
	for s.cmd.Process.Signal(os.Interrupt) == nil {
		select {
		case <-s.closed:
			if code := s.end(t); code != -1 {
				t.Errorf("exit code %d; it was not the signal that ended it", code)
			}
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestEchoTellsItsCallersWhenItEnds(t *testing.T) {
	t.Parallel()
	echo := startEcho(t)
	s := startOnTerminal(t, nil, "call", echo.url, "--duration", "1h", "--output", "json")
	s.waitFor(t, "packets sent")
	if err := echo.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	last, err := echo.stderr.ReadString('\n')
	if err != nil || last != "ending; calls running: 1\n" {
		t.Errorf("got %q, %v", last, err)
	}
	stuck := time.AfterFunc(patience, func() { _ = echo.cmd.Process.Kill() })
	if err := echo.cmd.Wait(); err != nil || !stuck.Stop() {
		t.Errorf("the echo ended with %v", err)
	}
	if code := s.end(t); code != 2 {
		t.Errorf("exit code %d, want 2", code)
	}
	var report struct{ Failure struct{ Code string } }
	if err := json.Unmarshal(s.result.Bytes(), &report); err != nil || report.Failure.Code != "media_remote_hangup" {
		t.Errorf("got %+v, %v", report, err)
	}
	var call struct {
		Ended  string
		Uplink struct {
			Offered int `json:"packets_offered"`
		}
	}
	if err := json.Unmarshal(echo.ledger.Bytes(), &call); err != nil {
		t.Fatalf("the ledger of the call is %q: %v", &echo.ledger, err)
	}
	if call.Ended != "the endpoint shuts down" || call.Uplink.Offered == 0 {
		t.Errorf("got %+v", call)
	}
}
