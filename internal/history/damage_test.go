package history

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/probe"
)

// soundFile writes a file with calls of three targets and returns its bytes and
// the ids in it.
func soundFile(t *testing.T) ([]byte, []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	s, err := Open(Config{Path: path, Gather: time.Nanosecond, Good: 20, Bad: 40, Points: 70})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, 250, 4)
	want := ids(t, s, Query{Limit: MaxLimit})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b, want
}

// openBytes opens a file with these bytes.
func openBytes(t *testing.T, b []byte) (*Store, string, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	return openTest(t, Config{Path: path, Log: slog.New(slog.NewTextHandler(&log, nil))}), path, &log
}

// everythingReads asks for all that a store has and returns the ids.
func everythingReads(t *testing.T, s *Store) []string {
	t.Helper()
	got := ids(t, s, Query{Limit: MaxLimit})
	for _, id := range got {
		if _, err := s.Report(id); err != nil {
			t.Errorf("report %s: %v", id, err)
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, err := s.Points(name, time.Time{}); err != nil {
			t.Errorf("points of %s: %v", name, err)
		}
	}
	return got
}

// TestFlippedBits: wherever a bit flips, the store either still has exactly
// what was written or says that the file was damaged, and works.
func TestFlippedBits(t *testing.T) {
	t.Parallel()
	sound, want := soundFile(t)
	random := rand.New(rand.NewPCG(5, 5))
	aside := 0
	tries := 60
	if testing.Short() {
		tries = 20
	}
	for n := range tries {
		bad := bytes.Clone(sound)
		at := random.IntN(len(bad))
		if n%3 == 0 {
			at = at/4096*4096 + random.IntN(200) // where pages have their headers and elements
		}
		bad[at] ^= 1 << random.IntN(8)
		s, _, _ := openBytes(t, bad)
		got := everythingReads(t, s)
		switch {
		case s.Health().SetAside != "":
			aside++
			if len(got) != 0 {
				t.Errorf("byte %d: %d calls in a fresh file", at, len(got))
			}
		case strings.Join(got, " ") != strings.Join(want, " "):
			t.Errorf("byte %d: got %d calls without a message, want %d", at, len(got), len(want))
		}
		works(t, s)
		if t.Failed() {
			t.Fatalf("bit in byte %d of %d", at, len(bad))
		}
	}
	t.Logf("%d of %d files were set aside", aside, tries)
	if aside < tries/10 || aside == tries {
		t.Errorf("%d of %d files were set aside; the test does not hit what it should", aside, tries)
	}
}

func works(t *testing.T, s *Store) {
	t.Helper()
	s.Ended(agent.Job{}, testCall("after", 1, probe.Failed))
	flush(t, s)
	if got := ids(t, s, Query{Name: "after"}); len(got) == 0 {
		t.Errorf("the store does not work: got %v", got)
	}
}

func TestDamagedFilesAreSetAsideWithAMessage(t *testing.T) {
	t.Parallel()
	sound, _ := soundFile(t)
	m, err := readMeta(bytes.NewReader(sound), int64(len(sound)))
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"cut in the middle":    sound[:len(sound)/2],
		"cut within a page":    sound[:m.pages*uint64(m.pageSize)-100],
		"no history at all":    bytes.Repeat([]byte("This is a text. "), 5000),
		"zeros":                make([]byte, 100000),
		"zeros where it began": append(make([]byte, 2*4096), sound[2*4096:]...),
	} {
		s, path, log := openBytes(t, b)
		aside := s.Health().SetAside
		kept, err := os.ReadFile(aside)
		if err != nil || !bytes.Equal(kept, b) {
			t.Errorf("%s: the damaged file is not kept as it was: %v", name, err)
		}
		if !strings.HasPrefix(aside, path) || !strings.Contains(log.String(), aside) {
			t.Errorf("%s: set aside as %q, log %q", name, aside, log)
		}
		works(t, s)
	}
}

func TestFileWhoseMakingWasInterrupted(t *testing.T) {
	sound, _ := soundFile(t)
	for name, b := range map[string][]byte{
		"empty":              {},
		"first page only":    sound[:4096],
		"half a first page":  sound[:2000],
		"nothing but zeros":  make([]byte, 4*4096),
		"not even one block": []byte("x"),
	} {
		s, path, _ := openBytes(t, b)
		if aside, _ := filepath.Glob(path + setAsideMark + "*"); name != "first page only" && len(aside) != 0 {
			t.Errorf("%s: set aside %v, though nothing was in it", name, aside)
		}
		works(t, s)
	}
}

func TestDamageDuringUseIsSetAsideToo(t *testing.T) {
	sound, _ := soundFile(t)
	s, path, _ := openBytes(t, sound)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xA5}, len(sound)-2*4096), 2*4096); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s, Query{}); len(got) != 0 || s.Health().SetAside == "" {
		t.Errorf("got %v and %+v", got, s.Health())
	}
	works(t, s)
	s.file.RLock()
	defer s.file.RUnlock()
	info1, err1 := os.Stat(path)
	info2, err2 := os.Stat(s.Health().SetAside)
	if err := errors.Join(err1, err2); err != nil || os.SameFile(info1, info2) {
		t.Errorf("%v, or it goes on in the damaged file", err)
	}
}

func TestOnlyTheLastDamagedFilesAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history.db")
	for range keepSetAside + 3 {
		if err := os.WriteFile(path, make([]byte, 100000), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // the name has milliseconds
	}
	if left, err := filepath.Glob(path + setAsideMark + "*"); err != nil || len(left) != keepSetAside {
		t.Errorf("%v are left, want %d (%v)", left, keepSetAside, err)
	}
}

// TestFileGetsSmaller opens a file that is mostly free.
func TestFileGetsSmaller(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "history.db")
	s, err := Open(Config{Path: path, Gather: time.Nanosecond, compactAbove: 1})
	if err != nil {
		t.Fatal(err)
	}
	big := testCall("big", 1, probe.Failed)
	noise := make([]byte, 3<<19)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range noise {
		noise[i] = byte('a' + random.IntN(26))
	}
	big.Summary = string(noise)
	s.Ended(agent.Job{}, big)
	s.Ended(agent.Job{}, testCall("small", 2, probe.Good))
	flush(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err = Open(Config{Path: path, Gather: time.Nanosecond, MaxBytes: MinBytes})
	if err != nil {
		t.Fatal(err)
	}
	works(t, s) // makes it give up the large call
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openTest(t, Config{Path: path, compactAbove: 1})
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if after.Size() > before.Size()/4 {
		t.Errorf("%d bytes, were %d", after.Size(), before.Size())
	}
	if got := ids(t, s, Query{Name: "after"}); len(got) != 1 {
		t.Errorf("the last call got lost in copying: %v", got)
	}
	works(t, s)
}

func FuzzStructure(f *testing.F) {
	path := filepath.Join(f.TempDir(), "history.db")
	s, err := Open(Config{Path: path, Gather: time.Nanosecond})
	if err != nil {
		f.Fatal(err)
	}
	s.Ended(agent.Job{}, testCall("a", 1, probe.Good))
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	sound, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	if err := checkStructure(bytes.NewReader(sound), int64(len(sound))); err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(4096), []byte{3})
	f.Add(uint32(2*4096+10), []byte{255, 255})
	f.Fuzz(func(t *testing.T, at uint32, patch []byte) {
		b := bytes.Clone(sound)
		copy(b[int(at)%len(b):], patch)
		_ = checkStructure(bytes.NewReader(b), int64(len(b))) // must return, whatever is in it
	})
}
