//go:build peers

package realpeer

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
)

// Table collects what was found out and is printed when the test ends. Its
// methods may be called from any goroutine.
type Table struct {
	title string
	mu    sync.Mutex
	rows  []string
	notes []string
}

// NewTable returns a table that is printed at the end of the test.
func NewTable(t testing.TB, title string) *Table {
	b := &Table{title: title}
	t.Cleanup(func() { fmt.Print(b.String()) })
	return b
}

// Add enters a call.
func (b *Table) Add(peer string, r Report) {
	codec, first := "–", "–"
	if r.Codec != nil {
		codec = r.Codec.Name
	}
	if r.FirstMedia != nil {
		first = format(*r.FirstMedia, 3)
	}
	signaling, _ := r.Layer("signaling")
	verdict := r.Verdict
	if r.Failure != nil {
		verdict += ": " + r.Failure.Code
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rows = append(b.rows, strings.Join([]string{
		peer, codec, r.Echo.Kind, r.Uplink.Evidence, r.Downlink.Evidence, format(signaling, 3), first,
		r.Uplink.MOS(), r.Downlink.MOS(), r.Audio.State, verdict,
	}, "\t"))
}

// Note says what a peer cannot do, below the table.
func (b *Table) Note(text string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.notes = append(b.notes, fmt.Sprintf(text, args...))
}

// String renders the table.
func (b *Table) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s\n", b.title)
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "peer\tcodec\techo\tuplink by\tdownlink by\tsignaling s\tfirst media s\tMOS up\tMOS down\taudio\tverdict")
	for _, row := range b.rows {
		fmt.Fprintln(w, row)
	}
	_ = w.Flush() // into memory
	for _, note := range b.notes {
		fmt.Fprintf(&text, "- %s\n", note)
	}
	return text.String()
}

func format(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
