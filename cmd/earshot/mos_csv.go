package main

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/earshot-voip/earshot/mos"
)

// csvColumns are the columns that --csv reads, all of them, in any order.
var csvColumns = [...]string{"scale", "ie", "bpl", "delay_ms", "loss_percent", "burst_r", "advantage"}

// numberRange is what a column may hold. Flags of the same meaning are held to
// it as well.
type numberRange struct {
	low, high float64
	meaning   string
}

// rangeOf returns the range of a column on a scale.
func rangeOf(column string, s mos.Scale) numberRange {
	switch column {
	case "ie":
		if s == mos.FB {
			return numberRange{0, 132, "the equipment impairment factor Ie"}
		}
		return numberRange{0, 95, "the equipment impairment factor Ie"}
	case "bpl":
		return numberRange{math.SmallestNonzeroFloat64, 100000, "the packet-loss robustness factor Bpl, more than 0"}
	case "delay_ms":
		return numberRange{0, 60000, "the one-way delay mouth to ear in milliseconds"}
	case "loss_percent":
		return numberRange{0, 100, "lost and discarded packets in percent of those expected"}
	case "burst_r":
		return numberRange{1, mos.MaxBurstR, "the burst ratio, 1 for random loss"}
	}
	if s != mos.NB {
		return numberRange{0, 0, "the advantage factor A, which only the nb scale has"}
	}
	return numberRange{0, mos.MaxAdvantage, "the advantage factor A"}
}

// checkNumber says what is wrong with x in a column, if anything.
func checkNumber(column string, s mos.Scale, x float64) error {
	r := rangeOf(column, s)
	switch {
	case x >= r.low && x <= r.high:
		return nil
	case r.high == 0:
		return fmt.Errorf("%v is not 0, and the %v scale has no advantage", x, s)
	case r.low > 0 && r.low < 1:
		return fmt.Errorf("%v is outside of 0 (excluded)..%v", x, r.high)
	}
	return fmt.Errorf("%v is outside of %v..%v", x, r.low, r.high)
}

// numberHint says what belongs into a column.
func numberHint(column string, s mos.Scale) string { return "this is " + rangeOf(column, s).meaning }

// cellError is what is wrong with the input, and what to do about it.
type cellError struct {
	line   int
	column string // empty when the whole line is meant
	err    error
	hint   string
}

func (e *cellError) Error() string {
	if e.column == "" {
		return fmt.Sprintf("line %d: %v", e.line, e.err)
	}
	return fmt.Sprintf("line %d, column %s: %v", e.line, e.column, e.err)
}

// scoreCSVFile scores a file, or standard input for "-", to out.
func scoreCSVFile(name string, stdin io.Reader, out io.Writer) error {
	in, label := stdin, "standard input"
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return mosUsage(err, "--csv takes the name of a file that can be read, or - for standard input")
		}
		defer f.Close()
		in, label = f, name
	}
	err := scoreCSV(in, out)
	var cell *cellError
	var input *inputError
	switch {
	case errors.As(err, &cell):
		return mosUsage(fmt.Errorf("%s: %w", label, err), cell.hint)
	case errors.As(err, &input):
		return mosUsage(fmt.Errorf("%s: %w", label, err), "every row before this point is scored")
	}
	return writeOut(err)
}

// inputError is input that could not be read at all.
type inputError struct{ err error }

func (e *inputError) Error() string { return "read: " + e.err.Error() }

// scoreCSV copies rows from in to out with r and mos appended. It holds one row
// at a time, and hands rows on whenever the input has no more of them waiting.
// All rows before a bad one are written when it returns.
func scoreCSV(in io.Reader, out io.Writer) error {
	buffered := bufio.NewReaderSize(in, 64<<10)
	if mark, _ := buffered.Peek(3); string(mark) == "\ufeff" {
		buffered.Discard(3)
	}
	r, w := csv.NewReader(buffered), csv.NewWriter(out)
	r.ReuseRecord = true
	r.FieldsPerRecord = -1

	header, err := r.Read()
	if err == io.EOF {
		return &cellError{1, "", errors.New("no header"), headerHint}
	}
	if err != nil {
		return readError(err)
	}
	at, err := columnsOf(header)
	if err != nil {
		return err
	}
	err = w.Write(append(slices.Clone(header), "r", "mos"))
	for err == nil {
		if buffered.Buffered() == 0 {
			w.Flush()
		}
		var record []string
		if record, err = r.Read(); err != nil {
			break
		}
		line, _ := r.FieldPos(0)
		var s mos.Score
		if s, err = at.score(line, record); err == nil {
			err = w.Write(append(record, decimals(s.R), decimals(s.MOS)))
		}
	}
	w.Flush()
	if failed := w.Error(); failed != nil {
		return failed
	}
	if err == io.EOF {
		return nil
	}
	return readError(err)
}

var headerHint = "the first line names the columns, in any order: " + strings.Join(csvColumns[:], ",")

// readError tells what is wrong with a line from input that ends in trouble.
func readError(err error) error {
	var parse *csv.ParseError
	var cell *cellError
	switch {
	case errors.As(err, &parse):
		return &cellError{parse.Line, "", parse.Err, "a field with quotes is written \"like \"\"this\"\"\", and its quotes must end"}
	case errors.As(err, &cell):
		return err
	}
	return &inputError{err}
}

// decimals writes a number with six decimals, without a negative zero.
func decimals(x float64) string {
	text := strconv.FormatFloat(x, 'f', 6, 64)
	if text == "-0.000000" {
		return text[1:]
	}
	return text
}

// columns says where each of csvColumns is in a row.
type columns [len(csvColumns)]int

// columnsOf reads the header.
func columnsOf(header []string) (columns, error) {
	var at columns
	var missing, unknown, twice []string
	seen := map[string]int{}
	for i, cell := range header {
		name := strings.TrimSpace(cell)
		if _, again := seen[name]; again {
			twice = append(twice, strconv.Quote(name))
		} else if !slices.Contains(csvColumns[:], name) {
			unknown = append(unknown, strconv.Quote(name))
		}
		seen[name] = i
	}
	for i, name := range csvColumns {
		place, ok := seen[name]
		if !ok {
			missing = append(missing, name)
		}
		at[i] = place
	}
	var problems []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"missing", missing}, {"unknown", unknown}, {"repeated", twice}} {
		if len(p.names) == 1 {
			problems = append(problems, p.what+" column "+p.names[0])
		} else if len(p.names) > 1 {
			problems = append(problems, p.what+" columns "+strings.Join(p.names, ", "))
		}
	}
	if len(problems) > 0 {
		return at, &cellError{1, "", errors.New(strings.Join(problems, "; ")), headerHint}
	}
	return at, nil
}

// score scores a row.
func (at columns) score(line int, record []string) (mos.Score, error) {
	if len(record) != len(csvColumns) {
		return mos.Score{}, &cellError{line, "", fmt.Errorf("%d fields where the header has %d", len(record), len(csvColumns)),
			"every row has one value for each column"}
	}
	scale, err := mos.ParseScale(strings.TrimSpace(record[at[0]]))
	if err != nil {
		return mos.Score{}, &cellError{line, csvColumns[0], err, "nb is G.107, wb is G.107.1, fb is G.107.2"}
	}
	var numbers [len(csvColumns)]float64
	for i, column := range csvColumns[1:] {
		cell := strings.TrimSpace(record[at[i+1]])
		x, err := strconv.ParseFloat(cell, 64)
		if err != nil {
			err = fmt.Errorf("%q is not a number", cell)
		} else {
			err = checkNumber(column, scale, x)
		}
		if err != nil {
			return mos.Score{}, &cellError{line, column, err, numberHint(column, scale)}
		}
		numbers[i+1] = x
	}
	return mos.Rate(
		mos.Codec{Scale: scale, Ie: numbers[1], Bpl: numbers[2]},
		mos.Path{Delay: fromMilliseconds(numbers[3]), Loss: numbers[4] / 100, BurstR: numbers[5], Advantage: numbers[6]},
	), nil
}
