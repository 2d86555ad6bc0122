package config

// History says where finished calls are kept and how many.
type History struct {
	Path    string `yaml:"path,omitempty"`     // folder; empty: one that is removed at the end
	MaxSize Size   `yaml:"max_size,omitempty"` // on disk; default 256 MiB
	// Kept per target at most; the defaults are those of the history.
	GoodCalls int `yaml:"good_calls,omitempty"`
	BadCalls  int `yaml:"bad_calls,omitempty"` // degraded, failed, untrusted
}

// leastHistory is the least size of a history in which some calls fit.
const leastHistory = 1 << 20

// check reports what is wrong with the section.
func (h *History) check(p place) {
	if h.MaxSize != 0 && h.MaxSize < leastHistory {
		p.problem("max_size", "must be at least 1MiB, is %d bytes", int64(h.MaxSize))
	}
	if h.GoodCalls < 0 {
		p.problem("good_calls", "must be at least 1, is %d", h.GoodCalls)
	}
	if h.BadCalls < 0 {
		p.problem("bad_calls", "must be at least 1, is %d", h.BadCalls)
	}
}
