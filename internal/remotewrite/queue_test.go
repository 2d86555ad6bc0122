package remotewrite

import (
	"bytes"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// numbered is a batch that says which one it is, of about size bytes that do not
// compress.
func numbered(n, size int) batch {
	noise := make([]byte, size)
	source := rand.New(rand.NewPCG(uint64(n), 1))
	for i := range noise {
		noise[i] = byte(source.Uint32())
	}
	return batch{samples: 10, at: int64(1000 * n), payload: fmt.Appendf(nil, "%d %s", n, noise)}
}

func open(t *testing.T, dir string, limit int64) (*queue, *journal) {
	t.Helper()
	j := &journal{}
	q, err := openQueue(dir, limit, slog.New(slog.NewTextHandler(j, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.close)
	return q, j
}

// take empties a queue and returns the numbers of its batches.
func take(t *testing.T, q *queue) (numbers []int) {
	t.Helper()
	for {
		h, waiting := q.head()
		if !waiting {
			return numbers
		}
		var n int
		if _, err := fmt.Sscan(string(h.payload), &n); err != nil {
			t.Fatal(err)
		}
		if want := numbered(n, len(h.payload)-len(fmt.Sprint(n))-1); !bytes.Equal(h.payload, want.payload) || h.samples != want.samples || h.at != want.at {
			t.Fatalf("batch %d came back changed", n)
		}
		numbers = append(numbers, n)
		if !q.done(h.id) {
			t.Fatalf("batch %d was at the head and is not there", n)
		}
	}
}

func upTo(from, to int) (all []int) {
	for n := from; n < to; n++ {
		all = append(all, n)
	}
	return all
}

func TestQueueKeepsOrderAcrossRestarts(t *testing.T) {
	for _, dir := range []string{"", filepath.Join(t.TempDir(), "made", "as", "needed")} {
		q, _ := open(t, dir, 64<<20)
		for n := range 30 {
			q.push([]batch{numbered(n, 100+n)})
		}
		h, _ := q.head()
		q.done(h.id)
		if dir != "" {
			q.close()
			q, _ = open(t, dir, 64<<20)
			q.push([]batch{numbered(30, 5), numbered(31, 5)})
			if got := take(t, q); !slices.Equal(got, upTo(1, 32)) {
				t.Errorf("on disk: got %v, want 1 to 31", got)
			}
			q.close()
			q, _ = open(t, dir, 64<<20)
			if h, waiting := q.head(); waiting {
				t.Errorf("got batch %d after a restart of an empty queue", h.id)
			}
			continue
		}
		if got := take(t, q); !slices.Equal(got, upTo(1, 30)) {
			t.Errorf("in memory: got %v, want 1 to 29", got)
		}
	}
}

func TestQueueIsBoundedAndDropsTheOldest(t *testing.T) {
	const limit, size, pushed = 2 << 20, 20 << 10, 400 // eight megabytes into two
	for _, dir := range []string{"", t.TempDir()} {
		q, log := open(t, dir, limit)
		for n := 0; n < pushed; n += 10 {
			var some []batch
			for i := range 10 {
				some = append(some, numbered(n+i, size))
			}
			q.push(some)
			if used := diskUse(t, dir); used > limit {
				t.Fatalf("the queue has %d bytes on disk, its limit is %d", used, limit)
			}
			if b := q.backlog(); b.bytes > limit {
				t.Fatalf("the backlog is %d bytes, the limit is %d", b.bytes, limit)
			}
		}
		b := q.backlog()
		dropped, damaged := q.dropped()
		got := take(t, q)
		if !slices.Equal(got, upTo(pushed-len(got), pushed)) {
			t.Errorf("got %v, want the youngest batches without a gap", got)
		}
		if b.samples != int64(10*len(got)) || dropped != int64(10*(pushed-len(got))) || damaged != 0 {
			t.Errorf("got a backlog of %d and %d dropped samples with %d batches left of %d", b.samples, dropped, len(got), pushed)
		}
		if b.oldest.UnixMilli() != int64(1000*got[0]) {
			t.Errorf("got oldest %v, want that of batch %d", b.oldest, got[0])
		}
		if least := limit / size * 3 / 4; len(got) < least {
			t.Errorf("got %d batches kept, want at least %d of this size within the limit", len(got), least)
		}
		if !strings.Contains(log.String(), "dropped its oldest samples") {
			t.Error("the log does not say that samples were dropped")
		}
	}
}

func diskUse(t *testing.T, dir string) (total int64) {
	t.Helper()
	if dir == "" {
		return 0
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	return total
}

func TestQueueGivesDiskBackAfterAnOutage(t *testing.T) {
	dir := t.TempDir()
	q, _ := open(t, dir, 4<<20)
	var many []batch
	for n := range 100 {
		many = append(many, numbered(n, 20<<10))
	}
	q.push(many)
	full := diskUse(t, dir)
	take(t, q)
	if left := diskUse(t, dir); left > full/2 || left > q.segmentSize() {
		t.Errorf("got %d bytes of %d left on disk after everything was delivered, want one file at most", left, full)
	}
}

func TestBatchInFlightCanBeDropped(t *testing.T) {
	q, _ := open(t, t.TempDir(), MinQueueBytes)
	q.push([]batch{numbered(0, 10)})
	h, _ := q.head()
	if !q.holds(h.id) {
		t.Fatal("the batch at the head is not held")
	}
	var many []batch
	for n := range 100 {
		many = append(many, numbered(n+1, 20<<10))
	}
	q.push(many)
	if q.holds(h.id) || q.done(h.id) {
		t.Error("the first batch is still held after the queue overflowed")
	}
}

// segments lists the files of batches.
func segments(t *testing.T, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*"+segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDamageIsSetAsideAndTheRestIsKept(t *testing.T) {
	// Three files of batches, each of which takes a good 100 bytes.
	fill := func(t *testing.T, dir string) {
		for file := range 3 {
			q, _ := open(t, dir, 64<<20)
			q.push([]batch{numbered(3*file, 100), numbered(3*file+1, 100), numbered(3*file+2, 100)})
			q.close()
		}
		if n := len(segments(t, dir)); n != 3 {
			t.Fatalf("got %d files, want 3", n)
		}
	}
	record := recordHead + len(numbered(0, 100).payload)
	flip := func(offset int) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			raw[offset] ^= 0x40
			write(t, path, string(raw))
		}
	}
	cut := func(size int64) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Truncate(path, size); err != nil {
				t.Fatal(err)
			}
		}
	}
	head := len(segmentMagic)
	rows := []struct {
		name   string
		file   int
		damage func(t *testing.T, path string)
		want   []int
		aside  bool
	}{
		{"a flipped bit in the second batch of a file", 1, flip(head + record + recordHead + 50), []int{0, 1, 2, 3, 6, 7, 8}, true},
		{"a flipped bit in a length", 1, flip(head + 2*record + 4), []int{0, 1, 2, 3, 4, 6, 7, 8}, true},
		{"a flipped bit in a state", 1, flip(head), []int{0, 1, 2, 6, 7, 8}, true},
		{"a flipped bit in the magic text", 0, flip(3), []int{3, 4, 5, 6, 7, 8}, true},
		{"an old file that is cut", 0, cut(int64(head + 2*record + 30)), []int{0, 1, 3, 4, 5, 6, 7, 8}, true},
		{"the last file torn in its last batch", 2, cut(int64(head + 3*record - 1)), []int{0, 1, 2, 3, 4, 5, 6, 7}, false},
		{"the last file torn in a head", 2, cut(int64(head + 2*record + 3)), []int{0, 1, 2, 3, 4, 5, 6, 7}, false},
		{"the last file torn in its magic text", 2, cut(3), []int{0, 1, 2, 3, 4, 5}, false},
		{"the last file empty", 2, cut(0), []int{0, 1, 2, 3, 4, 5}, false},
		{"a file that is gone", 1, func(t *testing.T, path string) { os.Remove(path) }, []int{0, 1, 2, 6, 7, 8}, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir)
			row.damage(t, segments(t, dir)[row.file])
			q, log := open(t, dir, 64<<20)
			q.push([]batch{numbered(9, 50)}) // and it goes on
			if got, want := take(t, q), append(row.want, 9); !slices.Equal(got, want) {
				t.Errorf("got batches %v, want %v", got, want)
			}
			aside, _ := filepath.Glob(filepath.Join(dir, "*"+damagedSuffix))
			if (len(aside) == 1) != row.aside || strings.Contains(log.String(), "set_aside=") != row.aside {
				t.Errorf("got %v set aside and log %s, want set aside: %v", aside, log, row.aside)
			}
			q.close()
			q, log = open(t, dir, 64<<20)
			if got := take(t, q); len(got) > 0 || strings.Contains(log.String(), "damaged") {
				t.Errorf("got %v and log %s at the next start, want nothing left of it", got, log)
			}
		})
	}
}

func TestDamageWhileRunningLosesThatBatchAlone(t *testing.T) {
	dir := t.TempDir()
	q, log := open(t, dir, 64<<20)
	q.push([]batch{numbered(0, 100), numbered(1, 100), numbered(2, 100)})
	path := segments(t, dir)[0]
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(segmentMagic)+recordHead+len(numbered(0, 100).payload)+60] ^= 1
	write(t, path, string(raw))
	if got := take(t, q); !slices.Equal(got, []int{0, 2}) {
		t.Errorf("got %v, want 0 and 2", got)
	}
	if _, damaged := q.dropped(); damaged != 10 || !strings.Contains(log.String(), "damaged") {
		t.Errorf("got %d samples damaged and log %s, want the 10 of batch 1", damaged, log)
	}
}

func TestQueueStaysInMemoryWhileTheDiskRefuses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	q, log := open(t, dir, 64<<20)
	q.push([]batch{numbered(0, 100)})
	if got := take(t, q); !slices.Equal(got, []int{0}) {
		t.Fatal(got)
	}
	q.active.Close() // writes fail from here on, and so does a new file
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 4; n++ {
		q.push([]batch{numbered(n, 100)})
	}
	if n := strings.Count(log.String(), "cannot be written"); n != 1 {
		t.Errorf("got %d messages that the disk refuses, want 1", n)
	}
	h, _ := q.head()
	if q.done(h.id); string(h.payload[:2]) != "1 " {
		t.Errorf("got batch %.2s, want 1 from memory", h.payload)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	q.push([]batch{numbered(4, 100)})
	if !strings.Contains(log.String(), "can be written again") || len(q.memory) != 0 {
		t.Errorf("got log %s and %d batches in memory, want all on disk again", log, len(q.memory))
	}
	if got := take(t, q); !slices.Equal(got, []int{2, 3, 4}) {
		t.Errorf("got %v, want 2, 3, 4", got)
	}
}

func TestQueueBelongsToOneProcess(t *testing.T) {
	dir := t.TempDir()
	q, _ := open(t, dir, 64<<20)
	_, err := openQueue(dir, 64<<20, slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "hint: is another agent using the same queue path?") {
		t.Errorf("got %v, want a hint at the other agent", err)
	}
	q.close()
	q, err = openQueue(dir, 64<<20, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	q.close()
}

func TestQueueFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	if _, err := openQueue(filepath.Join(file, "queue"), 64<<20, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("got a queue below a file")
	}
}

func TestQueueFilesAreForTheirOwnerAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "queue")
	q, _ := open(t, dir, 64<<20)
	q.push([]batch{numbered(0, 10)})
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 && os.PathSeparator == '/' {
			t.Errorf("%s can be read by others: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func FuzzScanSegment(f *testing.F) {
	dir := f.TempDir()
	s, file, err := createSegment(filepath.Join(dir, "seed"))
	if err != nil {
		f.Fatal(err)
	}
	for n := range 3 {
		if err := s.append(file, uint64(n), numbered(n, 20)); err != nil {
			f.Fatal(err)
		}
	}
	file.Close()
	seed, err := os.ReadFile(s.path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:len(seed)-5])
	f.Add([]byte(segmentMagic))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "0"+segmentSuffix)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Skip(err)
		}
		q, err := openQueue(filepath.Dir(path), 64<<20, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer q.close()
		for range 1000 {
			h, waiting := q.head()
			if !waiting {
				break
			}
			if plain, err := message(h.payload); err == nil {
				toV1(plain)
			}
			q.done(h.id)
		}
		if b := q.backlog(); b.samples != 0 || b.bytes != 0 {
			t.Errorf("got a backlog of %+v after all was taken", b)
		}
	})
}
