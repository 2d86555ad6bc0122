package remotewrite

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// zoo is a registry with every kind of metric.
func zoo() *prometheus.Registry {
	r := prometheus.NewRegistry()
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "zoo_calls_total", Help: "Calls."}, []string{"target", "Zone"})
	counter.WithLabelValues("a \"quoted\" name", "z").(prometheus.ExemplarAdder).AddWithExemplar(3, prometheus.Labels{"call_id": "c1"})
	counter.WithLabelValues("b", "").Add(0)
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "zoo_mos", Help: "MOS."}, []string{"target"})
	gauge.WithLabelValues("a").Set(4.25)
	gauge.WithLabelValues("nan").Set(math.NaN())
	gauge.WithLabelValues("inf").Set(math.Inf(-1))
	native := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "zoo_rtt_seconds", Help: "RTT.", Buckets: []float64{0.5, 1, 20}, NativeHistogramBucketFactor: 1.1,
	}, []string{"target"})
	for _, v := range []float64{0.1, 0.7, 0.72, 5, -3, 0, 100} {
		native.WithLabelValues("a").(prometheus.ExemplarObserver).ObserveWithExemplar(v, prometheus.Labels{"call_id": fmt.Sprint("h", v)})
	}
	native.WithLabelValues("idle")
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "zoo_late_seconds", Help: "Late.", Buckets: []float64{1e-6, 1e21}})
	classic.Observe(2)
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "zoo_pause_seconds", Help: "Pauses.", Objectives: map[float64]float64{0.5: 0.05, 1: 0}})
	summary.Observe(7)
	r.MustRegister(counter, gauge, native, classic, summary)
	return r
}

// exposed is the oracle: what the OpenMetrics text of a registry says, series by
// series, by the library that writes it for scrapes.
func exposed(t *testing.T, g prometheus.Gatherer, external string) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToOpenMetrics(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]float64{}
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		line, _, _ = strings.Cut(line, " # ") // the exemplar
		at := strings.LastIndex(line, " ")
		value, err := strconv.ParseFloat(strings.TrimSpace(line[at:]), 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		name, labels, _ := strings.Cut(line[:at], "{")
		all := strings.Split(strings.TrimSuffix(labels, "}"), ",")
		all = slices.DeleteFunc(append(all, external), func(l string) bool { return l == "" || strings.HasSuffix(l, `=""`) })
		slices.Sort(all)
		out[name+"{"+strings.Join(all, ",")+"}"] = value
	}
	return out
}

// sameValues compares with NaN equal to NaN.
func sameValues(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for _, series := range slices.Sorted(maps.Keys(want)) {
		g, has := got[series]
		if !has {
			t.Errorf("%s: not pushed", series)
		} else if math.Float64bits(g) != math.Float64bits(want[series]) && !(math.IsNaN(g) && math.IsNaN(want[series])) {
			t.Errorf("%s: got %v, want %v", series, g, want[series])
		}
	}
	for _, series := range slices.Sorted(maps.Keys(got)) {
		if _, has := want[series]; !has {
			t.Errorf("%s: pushed, but not exposed", series)
		}
	}
}

func TestWhatIsPushedIsWhatAScrapeWouldHaveGot(t *testing.T) {
	for _, protocol := range []Protocol{Auto, Version1, Version2} {
		t.Run("protocol "+string(protocol), func(t *testing.T) {
			r, registry := newReceiver(t), zoo()
			w, _ := newWriter(t, Options{
				URL: r.URL + "/api/v1/write", Protocol: protocol, SamplesPerSend: 7,
				ExternalLabels: map[string]string{"site": "paris", "target": "never over that of the series"},
			}, registry)
			at := time.UnixMilli(1_790_000_000_123)
			w.collect(at)
			drain(t, w)

			want := exposed(t, registry, `site="paris"`)
			for series, value := range maps.Clone(want) { // those without a target get the external one
				if !strings.Contains(series, "target=") {
					delete(want, series)
					name, labels, _ := strings.Cut(strings.TrimSuffix(series, "}"), "{")
					all := append(strings.Split(labels, ","), `target="never over that of the series"`)
					slices.Sort(all)
					want[name+"{"+strings.Join(all, ",")+"}"] = value
				}
			}
			sameValues(t, r.latest(), want)
			for _, s := range r.samples() {
				if s.at != at.UnixMilli() {
					t.Errorf("%s: got time %d, want %d", s.series, s.at, at.UnixMilli())
				}
			}
			wantSpeaks := map[Protocol]Protocol{Auto: Version2, Version1: Version1, Version2: Version2}[protocol]
			s := w.Stats()
			if n := int64(len(want)); s.Collected != n || s.Sent != n || s.Backlog != 0 || s.Protocol != wantSpeaks || s.LastSent.IsZero() {
				t.Errorf("got %+v, want %d samples collected and sent by %s", s, n, wantSpeaks)
			}
		})
	}
}

func TestHeadersAreThoseOfTheSpecification(t *testing.T) {
	for protocol, want := range map[Protocol][2]string{
		Version1: {contentV1, "0.1.0"},
		Version2: {contentV2, "2.0.0"},
	} {
		r, registry := newReceiver(t), zoo()
		var path string
		r.answer = func(_ http.ResponseWriter, request *http.Request, _ int) bool {
			path = request.URL.String()
			return false
		}
		w, _ := newWriter(t, Options{
			URL: r.URL + "/push/?tenant=7", Protocol: protocol,
			Headers: map[string]string{"X-Scope-OrgID": "voice"},
		}, registry)
		w.collect(time.Now())
		drain(t, w)
		if path != "/push/?tenant=7" {
			t.Errorf("got path %s, want it as configured", path)
		}
		h := r.headers[0]
		got := [2]string{h.Get("Content-Type"), h.Get("X-Prometheus-Remote-Write-Version")}
		if got != want {
			t.Errorf("%s: got %v, want %v", protocol, got, want)
		}
		if h.Get("User-Agent") != "earshot/test" || h.Get("X-Scope-OrgID") != "voice" {
			t.Errorf("got headers %v, want the user agent and the tenant", h)
		}
	}
}

func TestNativeHistogramsAndExemplars(t *testing.T) {
	for _, protocol := range []Protocol{Version1, Version2} {
		t.Run(string(protocol), func(t *testing.T) {
			r, registry := newReceiver(t), zoo()
			w, _ := newWriter(t, Options{URL: r.URL, Protocol: protocol, NativeHistograms: true, Exemplars: true}, registry)
			w.collect(time.Now())
			w.collect(time.Now().Add(time.Second))
			drain(t, w)

			native := map[string]*pushedHistogram{}
			exemplars := map[string]int{}
			for _, s := range r.samples() {
				if s.native != nil {
					native[s.series] = s.native
				}
				for _, e := range s.exemplars {
					exemplars[s.series+" "+e.labels]++
				}
			}
			checkNative(t, native[`zoo_rtt_seconds{target="a"}`])
			if idle := native[`zoo_rtt_seconds{target="idle"}`]; idle == nil || idle.count != 0 || len(idle.positive) != 0 {
				t.Errorf("got %+v, want an empty histogram", idle)
			}
			if len(native) != 2 {
				t.Errorf("got native histograms %v, want those of zoo_rtt_seconds", slices.Collect(maps.Keys(native)))
			}
			counter := `zoo_calls_total{Zone="z",target="a \"quoted\" name"} {call_id="c1"}`
			if exemplars[counter] != 1 {
				t.Errorf("got exemplars %v, want that of the counter once in two collections", exemplars)
			}
			if exemplars[`zoo_rtt_seconds_bucket{le="+Inf",target="a"} {call_id="h100"}`] != 1 {
				t.Errorf("got exemplars %v, want that of the last bucket once", exemplars)
			}
		})
	}
}

// checkNative compares with the definition: bucket i of schema s holds the
// observations in (2^((i-1)/2^s), 2^(i/2^s)].
func checkNative(t *testing.T, h *pushedHistogram) {
	t.Helper()
	if h == nil {
		t.Fatal("the native histogram was not pushed")
	}
	index := func(v float64) int64 { return int64(math.Ceil(math.Log2(v) * math.Exp2(float64(h.schema)))) }
	positive := map[int64]int64{}
	for _, v := range []float64{0.1, 0.7, 0.72, 5, 100} {
		positive[index(v)]++
	}
	negative := map[int64]int64{index(3): 1}
	nonzero := func(m map[int64]int64) map[int64]int64 {
		m = maps.Clone(m)
		maps.DeleteFunc(m, func(_, n int64) bool { return n == 0 })
		return m
	}
	if !maps.Equal(nonzero(h.positive), positive) || !maps.Equal(nonzero(h.negative), negative) {
		t.Errorf("got buckets %v and %v, want %v and %v", h.positive, h.negative, positive, negative)
	}
	if h.count != 7 || h.zeroCount != 1 || math.Abs(h.sum-(0.1+0.7+0.72+5-3+100)) > 1e-9 || h.schema != 3 || h.threshold <= 0 {
		t.Errorf("got %+v, want 7 observations, one of them zero, of schema 3 (factor 1.1)", h)
	}
}

func TestMetadataAndStartTimes(t *testing.T) {
	began := time.Now().UnixMilli()
	r, registry := newReceiver(t), zoo()
	w, _ := newWriter(t, Options{URL: r.URL, Protocol: Version2}, registry)
	w.collect(time.Now())
	drain(t, w)
	for _, s := range r.samples() {
		name, _, _ := strings.Cut(s.series, "{")
		want := map[string]pushedMetadata{
			"zoo_calls_total": {kind: 1, help: "Calls."}, "zoo_mos": {kind: 2, help: "MOS."},
			"zoo_rtt_seconds_bucket": {kind: 3, help: "RTT."}, "zoo_pause_seconds_sum": {kind: 5, help: "Pauses."},
		}[name]
		if want.kind != 0 && s.metadata != want {
			t.Errorf("%s: got %+v, want %+v", s.series, s.metadata, want)
		}
		started := want.kind == 1 || want.kind == 3 || want.kind == 5
		if started && (s.created < began || s.created > time.Now().UnixMilli()) || want.kind == 2 && s.created != 0 {
			t.Errorf("%s: got start %d, want one within this test for all but gauges", s.series, s.created)
		}
	}

	r = newReceiver(t)
	w, _ = newWriter(t, Options{URL: r.URL, Protocol: Version1}, registry)
	w.collect(time.Now())
	drain(t, w)
	want := []pushedMetadata{
		{1, "zoo_calls_total", "Calls.", ""}, {3, "zoo_late_seconds", "Late.", ""}, {2, "zoo_mos", "MOS.", ""},
		{5, "zoo_pause_seconds", "Pauses.", ""}, {3, "zoo_rtt_seconds", "RTT.", ""},
	}
	if !slices.Equal(r.about, want) {
		t.Errorf("got %+v, want %+v", r.about, want)
	}
}

func TestSeriesThatVanishAreEnded(t *testing.T) {
	r := newReceiver(t)
	registry := prometheus.NewRegistry()
	mos := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "mos"}, []string{"target"})
	rtt := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "rtt", NativeHistogramBucketFactor: 2}, []string{"target"})
	registry.MustRegister(mos, rtt)
	mos.WithLabelValues("kept").Set(4)
	mos.WithLabelValues("removed").Set(3)
	rtt.WithLabelValues("removed").Observe(1)
	w, _ := newWriter(t, Options{URL: r.URL, NativeHistograms: true}, registry)
	at := time.UnixMilli(1_790_000_000_000)
	w.collect(at)
	mos.DeleteLabelValues("removed")
	rtt.DeleteLabelValues("removed")
	w.collect(at.Add(15 * time.Second))
	w.collect(at.Add(30 * time.Second))
	w.endAll(at.Add(31 * time.Second))
	drain(t, w)

	ends := map[string][]int64{}
	for _, s := range r.samples() {
		if isStale(s.value) || s.native != nil && isStale(s.native.sum) {
			ends[s.series] = append(ends[s.series], s.at-at.UnixMilli())
		}
	}
	want := map[string][]int64{`mos{target="kept"}`: {31_000}, `mos{target="removed"}`: {15_000},
		`rtt_bucket{le="+Inf",target="removed"}`: {15_000}, `rtt_sum{target="removed"}`: {15_000},
		`rtt_count{target="removed"}`: {15_000}, `rtt{target="removed"}`: {15_000}}
	if !maps.EqualFunc(ends, want, slices.Equal) {
		t.Errorf("got ends %v, want %v", ends, want)
	}
}
