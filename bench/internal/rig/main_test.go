package rig

import (
	"flag"
	"testing"
)

func TestThePageSaysWhatMakesItAgain(t *testing.T) {
	for want, args := range map[string][]string{
		"go run ./bench/x":                     nil,
		"go run ./bench/x -days=14 -seed=3":    {"-seed", "3", "-days", "14"},
		"go run ./bench/x -days=14 -list=true": {"-results", "elsewhere", "-list", "-days", "14"},
	} {
		flags := flag.NewFlagSet("x", flag.ContinueOnError)
		flags.Int("days", 30, "")
		flags.Uint64("seed", 1, "")
		flags.Bool("list", false, "")
		flags.String("results", "bench/results", "")
		if err := flags.Parse(args); err != nil {
			t.Fatal(err)
		}
		if got := command("x", flags); got != want {
			t.Errorf("%q: got %q, want %q", args, got, want)
		}
	}
}
