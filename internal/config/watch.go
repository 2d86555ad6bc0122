package config

import (
	"context"
	"crypto/sha256"
	"maps"
	"os"
	"path/filepath"
	"time"
)

// WatchInterval is how often the files that a configuration names are looked
// at. Looking reads them: it sees every kind of replacement, also a link that
// points elsewhere, on every file system, which notifications do not.
const WatchInterval = 5 * time.Second

// Watch calls changed, and waits for it, after a file that the configuration
// names was changed, added or removed: targets_files, secrets, certificates. It
// returns when ctx ends. The file of the configuration itself is not watched.
func (s *Source) Watch(ctx context.Context, interval time.Duration, changed func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.stale() {
			changed()
		}
	}
}

// stale reports, once for each change, whether files differ from what was last
// read or looked at.
func (s *Source) stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := snapshot{}
	for _, pattern := range s.globs {
		names, _ := filepath.Glob(pattern) // a bad pattern was refused
		for _, name := range names {
			seen.read(name)
		}
	}
	for _, name := range s.secrets {
		seen.read(name)
	}
	if maps.Equal(seen, s.seen) {
		return false
	}
	s.seen = seen
	return true
}

// snapshot is what files held when they were read.
type snapshot map[string][sha256.Size]byte

// read reads a file and remembers what it held.
func (s snapshot) read(name string) ([]byte, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		s[name] = sha256.Sum256([]byte(err.Error()))
		return nil, err
	}
	s[name] = sha256.Sum256(text)
	return text, nil
}
