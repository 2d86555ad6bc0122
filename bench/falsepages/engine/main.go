// Command engine evaluates files of rules with Prometheus' own rule engine, in
// the time of the samples that it is fed, as fast as it can: each group at its own
// interval, which `promtool test rules` does not do. What an Alertmanager would be
// told goes to standard output.
//
// It is a module of its own, so that Prometheus' dependencies stay out of
// Earshot's. Its release is that of Debian's package, the oldest that the rules
// are for.
package main

import (
	"bufio"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"
)

// frame is what is read from standard input, by gob; bench/falsepages writes it.
type frame struct {
	Series [][]string // series that are new, as names and values of labels in turns; they have the next numbers
	At     int64      // milliseconds since 1970, never less than before; what is due before it is evaluated first
	IDs    []uint32   // numbers of series
	Values []float64  // of these, at that time
}

// event is what is written, a line of JSON each.
type event struct {
	At          int64 // milliseconds since 1970
	Firing      bool  // false: resolved
	Labels      map[string]string
	Annotations map[string]string
	Value       float64
}

// ending is the last line.
type ending struct {
	Evaluations, Failures int64 // of rules
	Error                 string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "engine:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	debug.SetGCPercent(400) // it is short of processor time, not of memory
	out := bufio.NewWriter(os.Stdout)
	e, err := newEngine(files, json.NewEncoder(out))
	if err != nil {
		return err
	}
	in := gob.NewDecoder(bufio.NewReaderSize(os.Stdin, 1<<20))
	for {
		var f frame
		if err := in.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("read what is fed: %w", err)
		}
		if err := e.take(&f); err != nil {
			return fmt.Errorf("at %s: %w", time.UnixMilli(f.At).UTC().Format(time.DateTime), err)
		}
		if err := out.Flush(); err != nil {
			return err
		}
	}
	if err := e.out.Encode(e.ending); err != nil {
		return err
	}
	return out.Flush()
}
