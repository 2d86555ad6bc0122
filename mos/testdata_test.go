package mos

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"
	"time"
)

// near is the agreement asked of every vector: they are printed with six
// decimals.
const near = 1e-6

// row is a line of a reference file by column name.
type row struct {
	t     *testing.T
	cells map[string]string
}

// rows reads testdata/name and fails if it has fewer than least rows, so that
// an emptied file cannot pass.
func rows(t *testing.T, name string, least int) []row {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []row
	for _, record := range records[1:] {
		cells := map[string]string{}
		for i, name := range records[0] {
			cells[name] = record[i]
		}
		all = append(all, row{t, cells})
	}
	if len(all) < least {
		t.Fatalf("%s: got %d rows, want at least %d", name, len(all), least)
	}
	return all
}

// text returns a cell.
func (r row) text(column string) string {
	r.t.Helper()
	cell, ok := r.cells[column]
	if !ok {
		r.t.Fatalf("no column %q", column)
	}
	return cell
}

// number returns a cell as a number.
func (r row) number(column string) float64 {
	r.t.Helper()
	x, err := strconv.ParseFloat(r.text(column), 64)
	if err != nil {
		r.t.Fatalf("column %s: %v", column, err)
	}
	return x
}

// millis returns a cell of milliseconds as a duration.
func (r row) millis(column string) time.Duration { return millis(r.number(column)) }

func millis(ms float64) time.Duration { return time.Duration(math.Round(ms * 1e6)) }

// want compares a result with a cell.
func (r row) want(column string, got float64) {
	r.t.Helper()
	if want := r.number(column); !(math.Abs(got-want) <= near) {
		r.t.Errorf("%v\n%s: got %.7f, want %.6f", r.cells, column, got, want)
	}
}

// path reads the path of a vector.
func (r row) path() Path {
	r.t.Helper()
	return Path{
		Loss: r.number("Ppl_pct") / 100, BurstR: r.number("BurstR"),
		Delay: r.millis("Ta_ms"), Advantage: r.number("A"),
	}
}
