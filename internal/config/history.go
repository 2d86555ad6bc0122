package config

// History says where finished calls are kept and how many.
type History struct {
	Path    string `yaml:"path,omitempty"`     // folder; empty: in memory, lost at the end
	MaxSize Size   `yaml:"max_size,omitempty"` // on disk
}

// check reports what is wrong with the section.
func (h *History) check(place) {}
