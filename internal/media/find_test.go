package media

import (
	"bytes"
	"slices"
	"testing"
)

func TestFindKnowsEveryFrame(t *testing.T) {
	for _, c := range clips(t) {
		for n := range c.Len() {
			got, ok := c.Find(bytes.Clone(c.Frame(int64(n))))
			if got != n || !ok {
				t.Fatalf("%s: frame %d: got %d, %v", c.Codec().Name, n, got, ok)
			}
		}
	}
}

func TestFindRefusesWhatIsNotTheClip(t *testing.T) {
	all := clips(t)
	for i, c := range all {
		name := c.Codec().Name
		refuse := func(what string, payload []byte) {
			t.Helper()
			if frame, ok := c.Find(payload); ok {
				t.Fatalf("%s: %s passes for frame %d", name, what, frame)
			}
		}
		refuse("nothing", nil)
		refuse("mu-law silence", bytes.Repeat([]byte{0xff}, 160))
		refuse("A-law silence", bytes.Repeat([]byte{0xd5}, 160))
		refuse("an empty Opus frame", []byte{0x68})
		for n := range c.Len() {
			frame := c.Frame(int64(n))
			refuse("a frame without its last byte", frame[:len(frame)-1])
			refuse("a frame with a byte more", append(slices.Clone(frame), 0))
			altered := slices.Clone(frame)
			altered[(7*n)%len(altered)] ^= 1 << (n % 8)
			refuse("a frame with one bit changed", altered)
			next := c.Frame(int64(n + 1))
			refuse("the end of one frame and the start of the next", append(slices.Clone(frame[len(frame)/2:]), next[:len(next)/2]...))
			for j, other := range all {
				if j != i {
					refuse("the clip of "+other.Codec().Name, other.Frame(int64(n)))
				}
			}
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	c := clips(t)[0]
	c.Find(nil)
	mine, foreign := c.Frame(5), bytes.Repeat([]byte{0xff}, 160)
	if got := testing.AllocsPerRun(1000, func() { c.Find(mine); c.Find(foreign) }); got != 0 {
		t.Errorf("got %v allocations", got)
	}
}

func TestNearestIsTheClosestRoundOfAFrame(t *testing.T) {
	c := clips(t)[0]
	n := int64(c.Len())
	tests := []struct {
		name     string
		frame    int
		expected int64
		want     int64
	}{
		{"the frame that was expected", 7, 7, 7},
		{"the same frame in the fourth round", 7, 3*n + 7, 3*n + 7},
		{"a frame a little late", 5, 3*n + 7, 3*n + 5},
		{"a frame a little early", 9, 3*n + 7, 3*n + 9},
		{"a frame from before the seam", int(n - 2), 3*n + 1, 3*n - 2},
		{"a frame from after the seam", 1, 3*n - 2, 3*n + 1},
		{"no round before the first", int(n - 2), 1, n - 2},
		{"half a round away is the earlier one", int(n / 2), n, n / 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.Nearest(tt.frame, tt.expected); got != tt.want {
				t.Errorf("got %d want %d", got, tt.want)
			}
		})
	}
	for expected := range 4 * n {
		for _, frame := range []int{0, 1, int(n / 2), int(n - 1)} {
			best := int64(frame)
			for at := int64(frame); at < 6*n; at += n {
				if abs(at-expected) < abs(best-expected) {
					best = at
				}
			}
			if got := c.Nearest(frame, expected); got != best {
				t.Fatalf("frame %d near %d: got %d want %d", frame, expected, got, best)
			}
		}
	}
}

func abs(v int64) int64 { return max(v, -v) }

func BenchmarkFind(b *testing.B) {
	for _, c := range clips(b) {
		b.Run(c.Codec().Name, func(b *testing.B) {
			c.Find(nil)
			b.ReportAllocs()
			n := int64(0)
			for b.Loop() {
				if _, ok := c.Find(c.Frame(n)); !ok {
					b.Fatal("not found")
				}
				n++
			}
		})
	}
}
