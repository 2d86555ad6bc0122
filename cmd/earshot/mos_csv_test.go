package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
)

const mosHeader = "scale,ie,bpl,delay_ms,loss_percent,burst_r,advantage\n"

func TestScoreCSVHandsOnRowsAsTheyCome(t *testing.T) {
	// A row held back until the next one arrives is a deadlock here.
	synctest.Test(t, func(t *testing.T) {
		in, feed := io.Pipe()
		result, out := io.Pipe()
		done := make(chan error, 1)
		go func() {
			err := scoreCSV(in, out)
			out.Close()
			done <- err
		}()
		scored := bufio.NewReader(result)
		for _, step := range []struct{ in, want string }{
			{mosHeader, strings.TrimSuffix(mosHeader, "\n") + ",r,mos\n"},
			{"nb,0,4.3,0,1,1,0\n", "nb,0,4.3,0,1,1,0,75.281679,3.833916\n"},
			{"nb,0,4.3,0,2,1,0\n", "nb,0,4.3,0,2,1,0,63.047478,3.256361\n"},
		} {
			if _, err := io.WriteString(feed, step.in); err != nil {
				t.Fatal(err)
			}
			if got, err := scored.ReadString('\n'); err != nil || got != step.want {
				t.Errorf("got %q, %v, want %q", got, err, step.want)
			}
		}
		feed.Close()
		if rest, err := io.ReadAll(scored); len(rest) > 0 || err != nil {
			t.Errorf("after the last row: got %q, %v", rest, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestScoreCSVReadsWhatWindowsProgramsWrite(t *testing.T) {
	var out bytes.Buffer
	in := "\ufeff" + strings.ReplaceAll(mosHeader+"nb,0,4.3,0,1,1,0\n\n", "\n", "\r\n")
	if err := scoreCSV(strings.NewReader(in), &out); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimSuffix(mosHeader, "\n") + ",r,mos\nnb,0,4.3,0,1,1,0,75.281679,3.833916\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestScoreCSVKeepsTheRowsBeforeABrokenRead(t *testing.T) {
	var out bytes.Buffer
	broken := errors.New("cable pulled")
	in := io.MultiReader(strings.NewReader(mosHeader+"nb,0,4.3,0,1,1,0\n"), iotest.ErrReader(broken))
	err := scoreCSV(in, &out)
	var input *inputError
	if !errors.As(err, &input) || !strings.Contains(err.Error(), "cable pulled") {
		t.Errorf("got %v, want %v", err, broken)
	}
	if !strings.HasSuffix(out.String(), "75.281679,3.833916\n") {
		t.Errorf("got %q", out.String())
	}
}

// fullDisk takes some bytes and then none.
type fullDisk struct{ room int }

var errFull = errors.New("no space left")

func (d *fullDisk) Write(b []byte) (int, error) {
	if len(b) > d.room {
		return 0, errFull
	}
	d.room -= len(b)
	return len(b), nil
}

func TestScoreCSVSaysThatTheOutputCannotBeWritten(t *testing.T) {
	for _, room := range []int{0, 100} {
		in := strings.NewReader(mosHeader + strings.Repeat("nb,0,4.3,0,1,1,0\n", 10000))
		if err := scoreCSV(in, &fullDisk{room}); !errors.Is(err, errFull) {
			t.Errorf("room for %d: got %v", room, err)
		}
		in.Seek(0, io.SeekStart)
		err := scoreCSVFile("-", in, &fullDisk{room})
		var exit exitError
		if !errors.As(err, &exit) || exit.code != 2 || !errors.Is(err, errFull) {
			t.Errorf("room for %d: got %v", room, err)
		}
	}
}

func TestDecimalsHaveNoNegativeZero(t *testing.T) {
	for x, want := range map[float64]string{-1e-9: "0.000000", 0: "0.000000", -0.5: "-0.500000", 93.2062077: "93.206208"} {
		if got := decimals(x); got != want {
			t.Errorf("%v: got %s, want %s", x, got, want)
		}
	}
}

func FuzzScoreCSV(f *testing.F) {
	f.Add(mosHeader + "nb,0,4.3,0,1,1,0\n")
	f.Add(mosHeader + "fb,1,2\n")
	f.Add("\ufeff\"")
	f.Add("ie,scale,bpl,delay_ms,loss_percent,burst_r,advantage\n95,wb,1e-300,6e4,100,8,-0\n")
	f.Fuzz(func(t *testing.T, in string) {
		var out bytes.Buffer
		err := scoreCSV(strings.NewReader(in), &out)
		var cell *cellError
		if err != nil && (!errors.As(err, &cell) || cell.line < 1 || cell.hint == "") {
			t.Errorf("got %v", err)
		}
		if err == nil && !strings.Contains(out.String(), ",r,mos\n") {
			t.Errorf("got %q without an error", out.String())
		}
	})
}

func TestMosErrorsOfUsageExitWith64(t *testing.T) {
	for _, c := range []struct{ name, args string }{
		{"an unknown flag", "--jitter 3"},
		{"a value that is no number", "--burst-r often"},
		{"an argument", "pcmu"},
		{"an unknown codec", "--codec mp3"},
		{"a value outside of the model", "--loss 101"},
		{"a file that is not there", "--csv testdata/absent.csv"},
		{"a row that is bad", "--csv -"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := mosCommand()
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(strings.Fields(c.args))
			cmd.SetIn(strings.NewReader(mosHeader + "nb,0,4.3,0,1,9,0\n"))
			cmd.SetOut(io.Discard)
			var exit exitError
			if err := cmd.Execute(); !errors.As(err, &exit) || exit.code != 64 || !strings.Contains(err.Error(), "\nhint: ") {
				t.Errorf("got %#v", err)
			}
		})
	}
}
