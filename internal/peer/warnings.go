package peer

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/pion/logging"
)

// warnings is pion's logger. The ICE agent tells only its log why a STUN or
// TURN server gave no candidate, so what it warns of is kept: the first few, to
// go with the error of the step that fails.
type warnings struct {
	log *slog.Logger

	mu   sync.Mutex
	kept []string
}

const maxWarnings = 8

func (w *warnings) keep(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.kept {
		if k == text {
			return
		}
	}
	if len(w.kept) < maxWarnings {
		w.kept = append(w.kept, text)
	}
}

// text returns what was kept, joined, and forgets it.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := w.kept
	w.kept = nil
	return kept
}

// NewLogger implements logging.LoggerFactory.
func (w *warnings) NewLogger(scope string) logging.LeveledLogger {
	return scopedLogger{w, scope}
}

type scopedLogger struct {
	w     *warnings
	scope string
}

func (l scopedLogger) warn(text string) {
	l.w.log.Debug("media stack warns", "scope", l.scope, "text", text)
	l.w.keep(l.scope + ": " + strings.TrimSpace(text))
}

func (l scopedLogger) Trace(string)          {}
func (l scopedLogger) Tracef(string, ...any) {}
func (l scopedLogger) Debug(string)          {}
func (l scopedLogger) Debugf(string, ...any) {}
func (l scopedLogger) Info(string)           {}
func (l scopedLogger) Infof(string, ...any)  {}
func (l scopedLogger) Warn(msg string)       { l.warn(msg) }
func (l scopedLogger) Error(msg string)      { l.warn(msg) }

func (l scopedLogger) Warnf(format string, args ...any)  { l.warn(fmt.Sprintf(format, args...)) }
func (l scopedLogger) Errorf(format string, args ...any) { l.warn(fmt.Sprintf(format, args...)) }

// discard is for libraries that must have a logger.
var discard = slog.New(slog.DiscardHandler)
