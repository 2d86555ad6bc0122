package main

import (
	"bytes"
	"io"
	"log/slog"
	"sync"
)

// newLog writes warnings to w; with -v more, with -vv everything.
func newLog(w io.Writer, verbose int) *slog.Logger {
	level := slog.LevelWarn
	switch {
	case verbose == 1:
		level = slog.LevelInfo
	case verbose > 1:
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// holdBack keeps what is written to it until release, so that logs and a live
// view do not write over each other.
type holdBack struct {
	w io.Writer

	mu       sync.Mutex
	kept     bytes.Buffer
	released bool
}

func (h *holdBack) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.released {
		return h.w.Write(b)
	}
	return h.kept.Write(b)
}

func (h *holdBack) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.released = true
	_, _ = h.kept.WriteTo(h.w)
}
