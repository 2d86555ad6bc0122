// Command analyze holds earshot analyze against tshark: it makes captures of
// every kind, lets both read them, compares packets, lost packets and maximum
// jitter of every stream, and times both on a million packets.
//
//	go run ./bench/analyze -out bench/results/analyze.md
//
// It needs tshark, and installs it with apt-get if it is missing. It fails when
// it cannot, when a stream differs, or when earshot is not the faster one.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func main() {
	out := flag.String("out", "", "file for the table, besides standard output")
	earshot := flag.String("earshot", "", "earshot to test (default: build it from this tree)")
	packets := flag.Int("packets", 1_000_000, "packets of the captures that are timed")
	rounds := flag.Int("rounds", 3, "runs of each program on them; the best counts")
	reference := flag.String("reference", "internal/capture/testdata/pcaps", "folder with more captures to compare")
	smoke := flag.Bool("smoke", false, "a run of a few seconds that shows that everything works")
	flag.Parse()
	if *smoke {
		*packets, *rounds = 20_000, 1
	}
	if err := run(*out, *earshot, *packets, *rounds, *reference); err != nil {
		fmt.Fprintln(os.Stderr, "bench/analyze:", err)
		os.Exit(1)
	}
}

func run(out, earshot string, packets, rounds int, reference string) error {
	if err := needTshark(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "earshot-analyze-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if earshot == "" {
		earshot = filepath.Join(folder, "earshot")
		if text, err := exec.Command("go", "build", "-o", earshot, "./cmd/earshot").CombinedOutput(); err != nil {
			return fmt.Errorf("build earshot: %w\n%s", err, text)
		}
	}
	b := bench{earshot: earshot, rounds: rounds}
	b.head()
	problem := errors.Join(b.compareAll(folder, reference), b.timeAll(folder, packets))
	fmt.Print(b.report.String())
	if out != "" && problem == nil {
		problem = os.WriteFile(out, b.report.Bytes(), 0o644)
	}
	return problem
}

// needTshark makes sure that tshark is there.
func needTshark() error {
	if _, err := exec.LookPath("tshark"); err == nil {
		return nil
	}
	if text, err := exec.Command("bash", ".ci/debian", "tshark").CombinedOutput(); err != nil {
		return fmt.Errorf("tshark is missing and could not be installed: %w\n%s", err, text)
	}
	_, err := exec.LookPath("tshark")
	return err
}

// bench runs both programs and writes the report.
type bench struct {
	earshot string
	rounds  int
	report  bytes.Buffer
}

func (b *bench) head() {
	version, _ := exec.Command("tshark", "--version").Output()
	first, _, _ := strings.Cut(string(version), "\n")
	fmt.Fprintf(&b.report, "# earshot analyze beside tshark\n\n%s, %d cores, %s, %s/%s, %s; %s\n\nMade by `go run ./bench/analyze -out bench/results/analyze.md`.\n",
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version(), strings.TrimSuffix(first, "."))
}

// processor is the model of the CPU.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}

// compareAll compares the figures on every kind of capture.
func (b *bench) compareAll(folder, reference string) error {
	fmt.Fprintf(&b.report, "\n## Figures\n\nPackets and lost packets must be equal, the maximum jitter within 0.001 ms (tshark prints that much).\n"+
		"Two habits of tshark are kept out of the captures: packets older than the first one give no jitter there, and reordering\n"+
		"where the sequence wraps can count as 65536 lost packets.\n\n"+
		"| capture | streams | packets | lost | largest jitter ms | largest difference of jitter ms |\n|---|--:|--:|--:|--:|--:|\n")
	var problems []error
	compare := func(file, label string, want int) {
		row, err := compareOne(b.earshot, file, want)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", label, err))
			return
		}
		fmt.Fprintf(&b.report, "| %s | %d | %d | %d | %.3f | %.4f |\n", label, row.streams, row.packets, row.lost, row.jitter, row.difference)
	}
	for _, c := range captures {
		file := filepath.Join(folder, "capture")
		if err := c.write(file); err != nil {
			return err
		}
		compare(file, c.name, c.streams)
	}
	files, err := filepath.Glob(filepath.Join(reference, "*.pcap"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no captures in %s: run from the root of the tree", reference)
	}
	for _, file := range files {
		compare(file, filepath.Base(file), 0)
	}
	return errors.Join(problems...)
}

// timeAll times both programs on the same captures, in turns.
func (b *bench) timeAll(folder string, packets int) error {
	fmt.Fprintf(&b.report, "\n## Speed\n\nWhole processes, best of %d, in turns in one run; the capture is in the page cache.\n\n"+
		"| capture | size MB | earshot s | tshark s | tshark / earshot | earshot ns/packet |\n|---|--:|--:|--:|--:|--:|\n", b.rounds)
	for _, c := range timed(packets) {
		file := filepath.Join(folder, "large")
		if err := c.write(file); err != nil {
			return err
		}
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		ours, theirs := time.Duration(1<<62), time.Duration(1<<62)
		for range b.rounds {
			start := time.Now()
			if _, err := earshotStreams(b.earshot, file); err != nil {
				return err
			}
			ours = min(ours, time.Since(start))
			start = time.Now()
			if _, err := tsharkStreams(file); err != nil {
				return err
			}
			theirs = min(theirs, time.Since(start))
		}
		if _, err := compareOne(b.earshot, file, c.streams); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Fprintf(&b.report, "| %s | %d | %.2f | %.2f | %.0f | %.0f |\n", c.name, info.Size()/1e6, ours.Seconds(), theirs.Seconds(),
			theirs.Seconds()/ours.Seconds(), float64(ours.Nanoseconds())/float64(packets))
		if ours >= theirs {
			return fmt.Errorf("%s: earshot took %v, tshark %v", c.name, ours, theirs)
		}
	}
	return nil
}
