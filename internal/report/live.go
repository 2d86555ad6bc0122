package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

// Live is the view of a running call on a terminal: the rungs as they end, a
// progress bar, and the figures of the last window. It draws in place, and Close
// leaves nothing behind. Its methods may be called from any goroutine.
type Live struct {
	w        io.Writer
	options  Options
	size     func() (width, height int)
	duration time.Duration // of the media

	stop chan struct{}
	done chan struct{}

	mu      sync.Mutex
	steps   map[probe.Layer]probe.Step
	glimpse *probe.Live
	seen    time.Time // of the glimpse
	began   time.Time
	drawn   int // lines on the terminal
	closed  bool
}

// liveInterval is how often a live view is drawn.
const liveInterval = 200 * time.Millisecond

// NewLive begins to draw on w, a terminal of that size, for a call that sends
// media for duration.
func NewLive(w io.Writer, o Options, duration time.Duration, size func() (width, height int)) *Live {
	l := &Live{
		w: w, options: o, size: size, duration: duration,
		stop: make(chan struct{}), done: make(chan struct{}),
		steps: map[probe.Layer]probe.Step{}, began: time.Now(),
	}
	l.redraw()
	go l.run()
	return l
}

func (l *Live) run() {
	defer close(l.done)
	tick := time.NewTicker(liveInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.redraw()
		case <-l.stop:
			return
		}
	}
}

// Step takes in a rung that ended.
func (l *Live) Step(s probe.Step) {
	l.mu.Lock()
	l.steps[s.Layer] = s
	l.mu.Unlock()
	l.redraw()
}

// Glimpse takes in how the call goes.
func (l *Live) Glimpse(g probe.Live) {
	l.mu.Lock()
	l.glimpse, l.seen = &g, time.Now()
	l.mu.Unlock()
	l.redraw()
}

// Close erases the view. It may be called again.
func (l *Live) Close() {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return
	}
	l.closed = true
	// Line by line: some terminals keep what a whole screen held when it is
	// cleared at once.
	_, _ = io.WriteString(l.w, l.home()+strings.Repeat("\x1b[K\n", l.drawn)+l.home())
	l.drawn = 0
	l.mu.Unlock()
	close(l.stop)
	<-l.done
}

// home moves to the first line of what is drawn. Between drawings the cursor
// stands below the last line, so that what else is typed is overwritten.
func (l *Live) home() string {
	if l.drawn == 0 {
		return "\r"
	}
	return fmt.Sprintf("\r\x1b[%dA", l.drawn)
}

func (l *Live) redraw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	width, height := l.size()
	lines := l.lines(width, height)
	var b strings.Builder
	b.WriteString(l.home())
	for _, line := range lines {
		b.WriteString(line + "\x1b[K\n")
	}
	b.WriteString("\x1b[J")
	l.drawn = len(lines)
	_, _ = io.WriteString(l.w, b.String())
}

// lines is the view. No line is as wide as the terminal: a line that wraps would
// be two.
func (l *Live) lines(width, height int) []string {
	o := l.options
	o.Width = width
	c := newCanvas(o)
	width = max(min(width, c.Width)-1, 1)
	status := l.status(c, width)
	if height < len(probe.Layers)+len(status)+3 {
		return status[:min(len(status), max(height-1, 1))]
	}
	for _, name := range probe.Layers {
		c.liveRung(name, l.steps, width)
	}
	c.line()
	return append(strings.Split(strings.TrimSuffix(c.String(), "\n"), "\n"), status...)
}

// liveRung writes one rung on one line.
func (c *canvas) liveRung(name probe.Layer, steps map[probe.Layer]probe.Step, width int) {
	s, ended := steps[name]
	if !ended {
		c.line("  ", c.mark(probe.StateNotRun), " ", c.tint(dim, cut(string(name), width-4)))
		return
	}
	text := pad(string(name), rungName) + tookColumn(s) + "  " + c.text(s.Detail)
	c.line("  ", c.mark(s.State), " ", cut(text, width-4))
}

// status is the progress bar and the figures of the last window.
func (l *Live) status(c *canvas, width int) []string {
	if l.glimpse == nil {
		return []string{cut(fmt.Sprintf("  setting up the call, %.0f s", time.Since(l.began).Seconds()), width)}
	}
	elapsed := l.glimpse.Elapsed + time.Since(l.seen)
	lines := []string{l.progress(c, min(elapsed, l.duration), width)}
	w := &l.glimpse.Window
	if w.Length == 0 {
		return append(lines, cut(fmt.Sprintf("  %d packets sent, %d came back", l.glimpse.Sent, l.glimpse.Back), width))
	}
	rtt := unknown
	if w.RTT.Count > 0 {
		rtt = duration(w.RTT.P50)
	}
	return append(lines,
		cut(liveDirection("up", &w.Uplink), width),
		cut(liveDirection("down", &w.Downlink), width),
		cut(fmt.Sprintf("  RTT  %s, all over the last %s", rtt, duration(w.Length)), width))
}

// progress draws how much of the media's time is over.
func (l *Live) progress(c *canvas, elapsed time.Duration, width int) string {
	text := fmt.Sprintf("  %.0f of %.0f s", elapsed.Seconds(), l.duration.Seconds())
	if elapsed >= l.duration {
		text = "  waiting for the last packets"
	}
	full, empty := "━", "─"
	if c.ASCII {
		full, empty = "=", "-"
	}
	room := min(width-2-length(text), 40)
	if room < 5 {
		return cut(text, width)
	}
	part := 1.0
	if l.duration > 0 {
		part = float64(elapsed) / float64(l.duration)
	}
	n := int(part * float64(room))
	return "  " + c.tint(green, strings.Repeat(full, n)) + c.tint(dim, strings.Repeat(empty, room-n)) + text
}

func liveDirection(name string, d *probe.Direction) string {
	mos, loss, jitter := unknown, unknown, unknown
	if d.Score != nil {
		mos = fmt.Sprintf("%.2f", d.Score.MOS)
	}
	if d.Evidence.Known() && d.Expected > 0 {
		loss = percent(d.LossRatio())
	}
	if d.Evidence.Known() && jitterKnown(d) {
		jitter = duration(d.Jitter)
	}
	return fmt.Sprintf("  %-4s MOS %-7s loss %-7s jitter %s", name, mos, loss, jitter)
}
