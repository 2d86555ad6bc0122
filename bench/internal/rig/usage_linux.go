package rig

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of times in /proc, the same on all platforms that Go
// knows (sysconf _SC_CLK_TCK).
const clockTick = time.Second / 100

// usageOf reads /proc (proc(5)).
func usageOf(pid int) (Usage, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Usage{}, fmt.Errorf("read the usage of a process: %w", err)
	}
	// The name, in parentheses, may hold anything.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	const utime, stime, rss = 11, 12, 21
	var values [3]int64
	for i, field := range []int{utime, stime, rss} {
		if field >= len(fields) {
			return Usage{}, fmt.Errorf("read the usage of a process: %q is too short", text)
		}
		if values[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return Usage{}, fmt.Errorf("read the usage of a process: %w", err)
		}
	}
	own, err := anonymous(pid)
	if err != nil {
		return Usage{}, err
	}
	return Usage{
		At:       time.Now(),
		CPU:      time.Duration(values[0]+values[1]) * clockTick,
		Resident: values[2] * int64(os.Getpagesize()),
		Own:      own,
	}, nil
}

// anonymous is the resident memory of a process that maps no file.
func anonymous(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read the usage of a process: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("read the usage of a process: %w", err)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("read the usage of a process: no RssAnon in /proc/%d/status", pid)
}
