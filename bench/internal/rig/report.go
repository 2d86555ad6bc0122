package rig

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"
)

// Report is a page of results in Markdown.
type Report struct {
	Title, Command string
	Date           time.Time
	Took           time.Duration

	body       strings.Builder
	complaints []string
}

// NewReport begins a page.
func NewReport(title, command string) *Report {
	return &Report{Title: title, Command: command, Date: time.Now()}
}

// Text adds a paragraph.
func (r *Report) Text(format string, args ...any) {
	fmt.Fprintf(&r.body, "\n"+format+"\n", args...)
}

// Section adds a heading.
func (r *Report) Section(title string) { fmt.Fprintf(&r.body, "\n## %s\n", title) }

// Listing adds preformatted text.
func (r *Report) Listing(text string) {
	fmt.Fprintf(&r.body, "\n```\n%s\n```\n", strings.TrimRight(text, "\n"))
}

// Table adds a table. The first column is text, the others are figures.
func (r *Report) Table(head []string, rows [][]string) {
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) {
		r.body.WriteString("|")
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				cell, pad = pad+cell, ""
			}
			r.body.WriteString(" " + cell + pad + " |")
		}
		r.body.WriteString("\n")
	}
	r.body.WriteString("\n")
	line(head)
	r.body.WriteString("|")
	for i := range head {
		rule := strings.Repeat("-", width[i]+2)
		if i > 0 {
			rule = rule[1:] + ":"
		}
		r.body.WriteString(rule + "|")
	}
	r.body.WriteString("\n")
	for _, row := range rows {
		line(row)
	}
}

// Complain notes that something is not as it must be.
func (r *Report) Complain(format string, args ...any) {
	r.complaints = append(r.complaints, fmt.Sprintf(format, args...))
}

// Complaint is what was complained of, nil if nothing.
func (r *Report) Complaint() error {
	if len(r.complaints) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.complaints, "; "))
}

// String is the page.
func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", r.Title)
	fmt.Fprintf(&b, "`%s`, %s, %s; took %v.\n", r.Command, r.Date.Format("2006-01-02 15:04 MST"), Machine(), r.Took.Round(time.Second))
	b.WriteString(r.body.String())
	if len(r.complaints) > 0 {
		b.WriteString("\n**Not as it must be:**\n\n")
		for _, c := range r.complaints {
			b.WriteString("- " + c + "\n")
		}
	}
	return b.String()
}

// Machine describes this host without naming it.
func Machine() string {
	parts := []string{processor(), fmt.Sprintf("%d cores", runtime.NumCPU()), kernel(), runtime.Version()}
	if load := loadAverage(); load != "" {
		parts = append(parts, "load at the start "+load)
	}
	return strings.Join(parts, ", ")
}

func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return runtime.GOOS
	}
	return "Linux " + strings.TrimSpace(string(release))
}

var startLoad = readLoad()

func loadAverage() string { return startLoad }

func readLoad() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
}

// Micros renders a duration in microseconds.
func Micros(d time.Duration) string {
	us := float64(d) / float64(time.Microsecond)
	switch {
	case us < 10 && us > -10:
		return fmt.Sprintf("%.1f", us)
	default:
		return fmt.Sprintf("%.0f", us)
	}
}

// Millis renders a duration in milliseconds.
func Millis(d time.Duration) string {
	return fmt.Sprintf("%.2f", float64(d)/float64(time.Millisecond))
}
