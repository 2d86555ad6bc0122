package main

import (
	"encoding/gob"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/internal/exporter"
)

// stale is the value with which Prometheus marks the end of a series: a NaN of
// its own (model/value in its source).
var stale = math.Float64frombits(0x7ff0000000000002)

// frameOut is what the engine reads, see engine/main.go.
type frameOut struct {
	Series [][]string
	At     int64
	IDs    []uint32
	Values []float64
}

// feed writes scrapes for the engine. Its methods may be called from anywhere.
type feed struct {
	mu     sync.Mutex
	out    *gob.Encoder
	series uint32
	frames int64
	values int64
}

func newFeed(w io.Writer) *feed { return &feed{out: gob.NewEncoder(w)} }

// scraper reads one probe, as Prometheus does: what was there in the last scrape
// and is not in this one ends.
type scraper struct {
	feed     *feed
	instance string
	wanted   map[string]bool
	families map[*prometheus.Desc]string // names; empty: not wanted
	ids      map[string]uint32
	last     []uint32 // of the last scrape
	key      []byte
}

func newScraper(f *feed, instance string, wanted map[string]bool) *scraper {
	return &scraper{feed: f, instance: instance, wanted: wanted, families: map[*prometheus.Desc]string{}, ids: map[string]uint32{}}
}

// scrape reads an exporter at a time; nil is one that does not answer.
func (s *scraper) scrape(at time.Time, e *exporter.Exporter) error {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	f := frameOut{At: at.UnixMilli()}
	if e != nil {
		if err := s.collect(e, &f); err != nil {
			return err
		}
	}
	there := map[uint32]bool{}
	for _, id := range f.IDs {
		there[id] = true
	}
	now := append([]uint32(nil), f.IDs...)
	for _, id := range s.last {
		if !there[id] {
			f.IDs, f.Values = append(f.IDs, id), append(f.Values, stale)
		}
	}
	s.last = now
	s.feed.frames++
	s.feed.values += int64(len(f.IDs))
	return s.feed.out.Encode(&f)
}

func (s *scraper) collect(e *exporter.Exporter, f *frameOut) error {
	metrics := make(chan prometheus.Metric, 256)
	go func() {
		e.Collect(metrics)
		close(metrics)
	}()
	var failed error
	for m := range metrics {
		name := s.name(m.Desc())
		if name == "" || failed != nil {
			continue
		}
		var out dto.Metric
		if failed = m.Write(&out); failed != nil {
			continue
		}
		switch {
		case out.Counter != nil:
			s.put(f, name, out.Label, out.Counter.GetValue())
		case out.Gauge != nil:
			s.put(f, name, out.Label, out.Gauge.GetValue())
		case out.Histogram != nil:
			s.put(f, name+"_sum", out.Label, out.Histogram.GetSampleSum())
			s.put(f, name+"_count", out.Label, float64(out.Histogram.GetSampleCount()))
		}
	}
	return failed
}

// name of a family, or empty when no rule reads it.
func (s *scraper) name(d *prometheus.Desc) string {
	name, known := s.families[d]
	if !known {
		name = descName.FindStringSubmatch(d.String())[1]
		if !s.wanted[name] {
			name = ""
		}
		s.families[d] = name
	}
	return name
}

var descName = regexp.MustCompile(`fqName: "([^"]+)"`)

func (s *scraper) put(f *frameOut, name string, pairs []*dto.LabelPair, value float64) {
	key := append(s.key[:0], name...)
	for _, p := range pairs {
		key = append(append(append(append(key, 0), p.GetName()...), '='), p.GetValue()...)
	}
	s.key = key
	id, known := s.ids[string(key)]
	if !known {
		id = s.feed.series
		s.feed.series++
		s.ids[string(key)] = id
		labels := []string{"__name__", name, "instance", s.instance, "job", "earshot"}
		for _, p := range pairs {
			labels = append(labels, p.GetName(), p.GetValue())
		}
		f.Series = append(f.Series, labels)
	}
	f.IDs, f.Values = append(f.IDs, id), append(f.Values, value)
}

// ruleFiles lists the rules.
func ruleFiles() ([]string, error) {
	files, err := filepath.Glob(filepath.Join("dashboards", "rules", "*.yml"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("no rules in dashboards/rules: run from the top of the tree")
	}
	return files, err
}

var metricName = regexp.MustCompile(`\bearshot_[a-z0-9_]+`)

// readByRules lists the families that the rules read. Buckets of histograms are
// not simulated, so no rule may ask for them.
func readByRules(files []string) (map[string]bool, error) {
	families := map[string]catalog.Type{}
	for _, m := range catalog.All() {
		families[m.Name] = m.Type
	}
	wanted := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for _, name := range metricName.FindAllString(string(text), -1) {
			if _, is := families[name]; is {
				wanted[name] = true
				continue
			}
			for _, suffix := range []string{"_sum", "_count"} {
				if family := strings.TrimSuffix(name, suffix); families[family] == catalog.Histogram {
					wanted[family] = true
				}
			}
			if strings.HasSuffix(name, "_bucket") {
				return nil, fmt.Errorf("%s reads %s: the simulation has no spread of times within a window", file, name)
			}
		}
	}
	return wanted, nil
}
