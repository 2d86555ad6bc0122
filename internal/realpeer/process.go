//go:build peers

package realpeer

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long what must happen may take on a busy host.
const patience = 40 * time.Second

// Process is a program that runs until the test ends.
type Process struct {
	t    testing.TB
	name string
	log  string // its standard output and error
	cmd  *exec.Cmd
	over chan struct{}
}

// Start starts a program in a process group of its own, which is killed at the
// end of the test. When the test failed, the end of what the program wrote is
// shown.
func Start(t testing.TB, program string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, name: filepath.Base(program), log: filepath.Join(t.TempDir(), "log"), over: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd = exec.Command(program, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	_ = log.Close() // the program has its own
	go func() {
		defer close(p.over)
		_ = p.cmd.Wait() // how it ended does not matter, what it did is looked at
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("the end of what %s wrote:\n%s", p.name, tail(p.Log(), 80))
		}
	})
	return p
}

// Kill ends the program and its children at once.
func (p *Process) Kill() { p.signal(syscall.SIGKILL) }

// Stop asks the program to end, and waits.
func (p *Process) Stop() { p.signal(syscall.SIGTERM) }

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	select {
	case <-p.over:
	default:
		_ = syscall.Kill(-p.cmd.Process.Pid, s) // it may be ending
	}
	select {
	case <-p.over:
	case <-time.After(patience):
		p.t.Errorf("%s did not end", p.name)
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // children that stayed
}

// Interrupt sends the signal of Ctrl-C, and does not wait.
func (p *Process) Interrupt() { _ = p.cmd.Process.Signal(os.Interrupt) }

// Over reports whether the program has ended.
func (p *Process) Over() bool {
	select {
	case <-p.over:
		return true
	default:
		return false
	}
}

// Log returns what the program wrote so far.
func (p *Process) Log() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Await waits until the program wrote text.
func (p *Process) Await(text string) {
	p.t.Helper()
	Await(p.t, p.name+" writes "+text, func() bool { return strings.Contains(p.Log(), text) })
}

// Await waits until something is so.
func Await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after %v: %s", patience, what)
		}
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(len(all)-lines, 0):], "\n")
}

// Need ends the test when something that it needs is missing: a suite that skips
// shows nothing.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Fatalf("%s is not installed: run the script in .ci/peers", p)
		}
	}
}

// Setting returns an environment variable that the script must set.
func Setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run the script in .ci/peers", name)
	}
	return value
}

// Fill copies the files of a folder, with the words of values in place of those
// they stand for, to a folder of the test, and returns that.
func Fill(t testing.TB, from string, values map[string]string) string {
	t.Helper()
	to := t.TempDir()
	pairs := []string{"FOLDER", to}
	for name, value := range values {
		pairs = append(pairs, name, value)
	}
	replace := strings.NewReplacer(pairs...)
	err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, rest), 0o700)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rest), []byte(replace.Replace(string(text))), 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// certificate makes what a server shows, as cert.pem and key.pem in a folder.
func certificate(t testing.TB, folder, address string) {
	t.Helper()
	cmd := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
		"-subj", "/CN=peers.test", "-addext", "subjectAltName=IP:"+address+",DNS:peers.test",
		"-keyout", folder+"/key.pem", "-out", folder+"/cert.pem")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, text)
	}
}
