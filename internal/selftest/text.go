package selftest

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Text writes the report for a person.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	clock := "the time of the read (this system's kernel gives none)"
	if r.Kernel {
		clock = "the kernel's"
	}
	processors := "1 processor"
	if r.Processors != 1 {
		processors = fmt.Sprintf("%d processors", r.Processors)
	}
	fmt.Fprintf(&b, "Host: %s, arrival times are %s.\n\n", processors, clock)

	b.WriteString("The clock alone: p50 and p99 in ms, and slots missed\n")
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "tickers\tsent late\tp99\tread late\tp99\tmissed\tdropped\t")
	for _, p := range r.Pacing {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%d\t%d\t\n", p.Tickers,
			millis(p.Late.P50), millis(p.Late.P99), millis(p.Wake.P50), millis(p.Wake.P99), p.Missed, p.Drops)
	}
	_ = t.Flush()

	b.WriteString("\nCalls over loopback: ms that 19 of 20 calls keep; own noise and lateness at p99\n")
	t = tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "calls\trtt p50\tp99\tjitter up\tdown\town noise\tsent late\tmissed\tdropped\tuntrusted\t")
	for _, l := range slices.SortedStableFunc(slices.Values(r.Loopback), func(a, b Loopback) int { return a.Calls - b.Calls }) {
		if l.Failed > 0 {
			fmt.Fprintf(t, "%d\t%d failed\t\t\t\t\t\t\t\t\t\n", l.Calls, l.Failed)
			continue
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t\n", l.Calls, millis(l.RTT.Most), millis(l.RTTHigh.Most),
			millis(l.JitterUp.Most), millis(l.JitterDown.Most), millis(l.Noise.Most), millis(l.Late.Most), l.Missed, l.Drops, l.Untrusted)
	}
	_ = t.Flush()

	fmt.Fprintf(&b, "\nCalls before this host's own noise exceeds %v: %s.\n", NoiseLimit, r.Capacity)
	b.WriteString(r.verdict() + "\n")
	_, err := io.WriteString(w, trimmed(b.String()))
	return err
}

// verdict says whether calls from here can be trusted.
func (r *Report) verdict() string {
	if r.Trusted {
		return "Calls from this host can be trusted."
	}
	return "Calls from this host cannot be trusted: " + strings.Join(r.Reasons, "; ") + "."
}

// String is "420", ">= 600 (why)" or "unknown (why)".
func (c Capacity) String() string {
	switch c.State {
	case CapacityFound:
		return fmt.Sprintf("%d (%d were too many)", c.Calls, c.Above)
	case CapacityAtLeast:
		text := fmt.Sprintf(">= %d", c.Calls)
		if c.Above > 0 {
			text += fmt.Sprintf(" and < %d", c.Above)
		}
		return text + " (" + c.Why + ")"
	}
	return "unknown (" + c.Why + ")"
}

// millis renders a duration in milliseconds.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.3f", float64(d)/float64(time.Millisecond))
}

// trimmed drops blanks at the ends of lines.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}
