package report

import (
	"io"

	"github.com/earshot-voip/earshot/probe"
)

// PathsSchema is the "schema" of what PathsJSON writes. Fields may be added under
// this name; nothing else changes.
const PathsSchema = "earshot.paths/v1"

// pathsDocument is a comparison of paths in base units. A null is "not known" or
// "not tried".
type pathsDocument struct {
	Schema  string         `json:"schema"`
	Verdict probe.Verdict  `json:"verdict"` // of the best path
	Summary string         `json:"summary"`
	Best    *int           `json:"best"` // index in paths
	Paths   []pathDocument `json:"paths"`
}

type pathDocument struct {
	Path    probe.PathKind `json:"path"`   // direct, turn/udp, turn/tcp or turn/tls
	Server  *string        `json:"server"` // null when direct
	Skipped *string        `json:"skipped"`
	SetUp   *float64       `json:"set_up_seconds"` // from the start of the call to its media
	Report  *document      `json:"report"`         // as of earshot call, earshot.report/v1
}

// PathsJSON writes a comparison of paths as one JSON object.
func PathsJSON(w io.Writer, c *probe.Comparison) error {
	d := pathsDocument{Schema: PathsSchema, Verdict: c.Verdict, Summary: c.Summary, Paths: []pathDocument{}}
	for i := range c.Paths {
		p := &c.Paths[i]
		one := pathDocument{Path: p.Kind}
		if p.Server != "" {
			one.Server = &p.Server
		}
		if p.Result == nil {
			one.Skipped = &p.Skipped
		} else {
			d := newDocument(p.Result)
			one.Report = &d
			if took, ok := setUp(p.Result); ok {
				one.SetUp = seconds(took)
			}
		}
		if p == c.Best {
			d.Best = &i
		}
		d.Paths = append(d.Paths, one)
	}
	return writeJSON(w, d)
}
