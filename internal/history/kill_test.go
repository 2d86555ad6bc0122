//go:build unix

package history

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

// The test's own program is the child process: it is told what to do by this
// variable, and on which file by the next.
const (
	childTask = "HISTORY_TEST_CHILD"
	childFile = "HISTORY_TEST_FILE"
)

func TestMain(m *testing.M) {
	var err error
	switch task, file := os.Getenv(childTask), os.Getenv(childFile); {
	case task == "":
		os.Exit(m.Run())
	case task == "full":
		err = writeToFullDisk(file)
	default:
		err = writeUntilKilled(file, task)
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func child(t *testing.T, task, file string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), childTask+"="+task, childFile+"="+file)
	c.Stderr = os.Stderr
	return c
}

// writeUntilKilled writes call after call, with the limits low enough that old
// ones go at the same time, and says which have been confirmed.
func writeUntilKilled(path, first string) error {
	n, err := strconv.Atoi(first)
	if err != nil {
		return err
	}
	s, err := Open(Config{Path: path, Gather: time.Nanosecond, Good: 20, Bad: 1 << 20, MaxBytes: 64 << 20})
	if err != nil {
		return err
	}
	for ; ; n++ {
		verdict := probe.Failed
		if n%2 == 0 {
			verdict = probe.Good
		}
		s.Ended(agent.Job{}, testCall(string(rune('a'+n%3)), n, verdict))
		if n%5 != 0 {
			continue
		}
		for s.queue.settled() < s.queue.handedOver() {
			time.Sleep(10 * time.Microsecond)
		}
		if h := s.Health(); h.Err != "" || h.SetAside != "" {
			return fmt.Errorf("health %+v", h)
		}
		fmt.Println("confirmed", n)
	}
}

// TestKilledTwentyTimes kills a process that writes, at random moments, and
// looks for every failed call that it had confirmed.
func TestKilledTwentyTimes(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	confirmed := -1
	for round := range 20 {
		c := child(t, strconv.Itoa(confirmed+1), path)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		confirm := func() {
			if _, err := fmt.Sscanf(lines.Text(), "confirmed %d", &confirmed); err != nil {
				t.Errorf("round %d: the child says %q", round, lines.Text())
			}
		}
		if round%4 != 0 && lines.Scan() { // else it is killed while it opens the file, or soon after
			confirm()
		}
		until := time.AfterFunc(time.Duration(random.IntN(150))*time.Millisecond, func() { _ = c.Process.Kill() })
		for lines.Scan() {
			confirm()
		}
		_ = c.Wait() // it was killed
		until.Stop()
		if got := missing(t, path, confirmed); len(got) != 0 {
			t.Fatalf("round %d: of the calls up to %d, these are gone: %v", round, confirmed, got)
		}
	}
	if confirmed < 20 {
		t.Errorf("only %d calls were confirmed; the test shows nothing", confirmed)
	}
	t.Logf("%d calls confirmed over 20 kills", confirmed+1)
}

// missing lists the failed calls up to last that the file lacks.
func missing(t *testing.T, path string, last int) []int {
	t.Helper()
	s, err := Open(Config{Path: path, Bad: 1 << 20, MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if h := s.Health(); h.SetAside != "" {
		t.Fatalf("set aside after a kill: %s", h.SetAside)
	}
	have := map[string]bool{}
	for q := (Query{Limit: MaxLimit, Verdicts: []probe.Verdict{probe.Failed}}); ; {
		page, err := s.List(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Calls {
			have[e.ID] = true
		}
		if q.Before = page.Next; q.Before == 0 {
			break
		}
	}
	var gone []int
	for n := 1; n <= last; n += 2 {
		id := testCall(string(rune('a'+n%3)), n, probe.Failed).ID
		if _, err := s.Report(id); err != nil || !have[id] {
			gone = append(gone, n)
		}
	}
	return gone
}

// writeToFullDisk writes under a limit on the size of files until that is
// reached, then without it.
func writeToFullDisk(path string) error {
	signal.Ignore(syscall.SIGXFSZ) // what is refused is an error then, as on a full disk
	var free syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	s, err := Open(Config{Path: path, Gather: time.Nanosecond, Bad: 1 << 20, MaxBytes: 64 << 20})
	if err != nil {
		return err
	}
	full := free
	full.Cur = 256 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		return err
	}
	n := 0
	for ; n < 20000 && s.Health().Err == ""; n++ {
		s.Ended(agent.Job{}, testCall("a", n, probe.Failed))
		if n%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	h := s.Health()
	page, err := s.List(Query{Limit: MaxLimit})
	fmt.Println("full", h.Err != "", "readable", err == nil && len(page.Calls) > 0 && int64(len(page.Calls)) == min(h.Stored, MaxLimit))
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &free); err != nil {
		return err
	}
	for s.queue.settled() < s.queue.handedOver() {
		time.Sleep(time.Millisecond)
	}
	h = s.Health()
	fmt.Println("after", h.Err == "", "written", h.Stored+h.Dropped == int64(n))
	return s.Close()
}

// TestFullDisk: the store says so, goes on being read, and writes what waited
// when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	out, err := child(t, "full", path).Output()
	want := []string{"full true readable true", "after true written true"}
	if got := strings.Split(strings.TrimSpace(string(out)), "\n"); err != nil || !slices.Equal(got, want) {
		t.Fatalf("the child says %q (%v), want %q", got, err, want)
	}
	s := openTest(t, Config{Path: path})
	if s.Health().SetAside != "" {
		t.Error("the file was damaged by the full disk")
	}
	everythingReads(t, s)
}
