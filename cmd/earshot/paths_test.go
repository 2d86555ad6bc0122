package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/farend"
)

// An interrupt hangs up the running call, leaves out the paths that follow, and
// what is known is reported all the same.
func TestAnInterruptEndsAComparison(t *testing.T) {
	program, err := exec.LookPath("earshot")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "call", "--compare-paths", "--duration", "5m", "--output", "json", "-v",
		"--ice-server", farend.NewTURN(t, farend.TURNConfig{}).UDP, "--ice-username", farend.TURNUser)
	cmd.Env = append(os.Environ(), "EARSHOT_ICE_PASSWORD="+farend.TURNPassword)
	var out bytes.Buffer
	cmd.Stdout = &out
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	hangs := time.AfterFunc(2*patience, func() { _ = cmd.Process.Kill() })
	defer hangs.Stop()
	calls := 0
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), "calling over a path") {
			calls++
			_ = cmd.Process.Signal(os.Interrupt)
		}
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		t.Fatalf("got %v, want exit code %d", err, exitFailed)
	}
	var got struct {
		Paths []struct {
			Skipped string
			Report  *struct{ Failure struct{ Code string } }
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	if calls != 1 || len(got.Paths) != 4 || got.Paths[0].Report == nil || got.Paths[0].Report.Failure.Code != "canceled" ||
		got.Paths[1].Report != nil || !strings.Contains(got.Paths[1].Skipped, "interrupted") {
		t.Errorf("got %d calls and %+v", calls, got.Paths)
	}
}
