package report

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// screen is a terminal as far as a live view uses one.
type screen struct {
	mu    sync.Mutex
	width int
	rows  [][]rune
	row   int
	col   int
	bad   []string // what it did not understand, and lines that would wrap
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := []rune(string(b))
	for i := 0; i < len(text); i++ {
		switch r := text[i]; r {
		case '\r':
			s.col = 0
		case '\n':
			s.row, s.col = s.row+1, 0
		case '\x1b':
			end := i + 2
			for end < len(text) && (text[end] >= '0' && text[end] <= '9' || text[end] == ';') {
				end++
			}
			s.control(text[end], string(text[i+2:end]))
			i = end
		default:
			s.put(r)
		}
	}
	return len(b), nil
}

func (s *screen) control(final rune, parameter string) {
	n, _ := strconv.Atoi(parameter)
	switch final {
	case 'A':
		if n > s.row {
			s.bad = append(s.bad, "up beyond the first row")
		}
		s.row -= n
	case 'K':
		s.line()
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
	case 'J':
		s.line()
		s.rows[s.row] = s.rows[s.row][:min(s.col, len(s.rows[s.row]))]
		s.rows = s.rows[:s.row+1]
	case 'm':
	default:
		s.bad = append(s.bad, "control "+string(final))
	}
}

func (s *screen) line() {
	for len(s.rows) <= s.row {
		s.rows = append(s.rows, nil)
	}
}

func (s *screen) put(r rune) {
	s.line()
	line := s.rows[s.row]
	for len(line) <= s.col {
		line = append(line, ' ')
	}
	line[s.col] = r
	s.rows[s.row] = line
	if s.col++; s.col >= s.width {
		s.bad = append(s.bad, "a line as wide as the screen: "+string(line))
	}
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, r := range s.rows {
		lines = append(lines, strings.TrimRight(string(r), " "))
	}
	return strings.TrimRight(strings.Join(lines, "\n"), "\n")
}

func has(t *testing.T, s *screen, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(s.String(), w) {
			t.Errorf("no %q on the screen:\n%s", w, s)
		}
	}
}

func TestLiveShowsTheCallAndLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &screen{width: 80}
		l := NewLive(s, Options{Color: true}, 10*time.Second, func() (int, int) { return s.width, 24 })
		time.Sleep(3100 * time.Millisecond)
		has(t, s, "setting up the call, 3 s", "· resolve", "· quality")

		for _, step := range goodCall().Steps[:7] {
			l.Step(step)
		}
		has(t, s, "✓ tls          25.0 ms  TLS 1.3", "✓ gather       2.90 ms", "· media")

		l.Glimpse(probe.Live{Elapsed: 500 * time.Millisecond, Sent: 25, Back: 24})
		has(t, s, "25 packets sent, 24 came back")
		time.Sleep(4 * time.Second)
		has(t, s, "4 of 10 s")

		good := goodCall()
		l.Glimpse(probe.Live{Elapsed: 6 * time.Second, Window: probe.Window{
			Length: 5 * time.Second, Uplink: good.Uplink, Downlink: good.Downlink, RTT: good.RoundTrip.RTT,
		}})
		has(t, s, "6 of 10 s", strings.Repeat("━", 24)+strings.Repeat("─", 16),
			"up   MOS 4.29    loss 2.00 %  jitter 3.10 ms",
			"down MOS 4.35    loss 2.04 %  jitter 0.210 ms",
			"RTT  12.6 ms, all over the last 5.00 s")
		time.Sleep(5 * time.Second)
		has(t, s, "waiting for the last packets")

		l.Close()
		l.Close()
		if got := s.String(); got != "" {
			t.Errorf("left behind:\n%s", got)
		}
		if s.row != 0 || s.col != 0 {
			t.Errorf("the cursor is left at row %d, column %d", s.row, s.col)
		}
		l.Step(good.Steps[8])
		l.Glimpse(probe.Live{})
		if got := s.String(); got != "" {
			t.Errorf("drawn after the end:\n%s", got)
		}
		for _, b := range s.bad {
			t.Error(b)
		}
	})
}

func TestLiveSaysUnknownInPlaceOfZero(t *testing.T) {
	if got, want := liveDirection("down", &probe.Direction{Evidence: probe.EvidenceNone}),
		"  down MOS unknown loss unknown jitter unknown"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLiveFitsSmallAndChangingTerminals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []struct{ width, height int }{{80, 24}, {30, 24}, {12, 24}, {80, 5}, {200, 2}, {5, 1}, {0, 0}} {
			s := &screen{width: max(size.width, 2)}
			l := NewLive(s, Options{}, 10*time.Second, func() (int, int) { return size.width, size.height })
			for _, step := range degradedCall().Steps {
				l.Step(step)
			}
			l.Glimpse(probe.Live{Elapsed: time.Second, Window: probe.Window{Length: time.Second, Uplink: goodCall().Uplink}})
			time.Sleep(time.Second)
			if n := len(strings.Split(s.String(), "\n")); n > max(size.height, 1) {
				t.Errorf("%v: %d lines", size, n)
			}
			l.Close()
			if got := s.String(); got != "" {
				t.Errorf("%v: left behind:\n%s", size, got)
			}
			for _, b := range s.bad {
				t.Errorf("%v: %s", size, b)
			}
		}
	})
}
