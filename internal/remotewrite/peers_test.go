//go:build peers

package remotewrite

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/earshot-voip/earshot/internal/prometheustest"
)

const receiverConfig = `
storage:
  tsdb:
    out_of_order_time_window: 1d
`

// site is a registry with as many series as an agent with twenty targets has,
// and native histograms beside them.
type site struct {
	*prometheus.Registry
	counters *prometheus.CounterVec
	gauges   *prometheus.GaugeVec
	classic  *prometheus.HistogramVec
	native   *prometheus.HistogramVec
}

func newSite() *site {
	s := &site{
		Registry: prometheus.NewRegistry(),
		counters: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "site_packets_total", Help: "Packets."}, []string{"target", "way"}),
		gauges:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "site_figure", Help: "Figures."}, []string{"target", "kind"}),
		classic:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "site_layer_seconds", Help: "Layers."}, []string{"target", "layer"}),
		native:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "site_rtt_seconds", Help: "RTT.", NativeHistogramBucketFactor: 1.1}, []string{"target"}),
	}
	s.MustRegister(s.counters, s.gauges, s.classic, s.native)
	return s
}

func (s *site) step(n int) {
	random := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range 20 {
		target := fmt.Sprintf("branch-%02d", i)
		for way := range 80 {
			s.counters.WithLabelValues(target, fmt.Sprint(way)).Add(float64(random.IntN(500)))
			s.gauges.WithLabelValues(target, fmt.Sprint(way)).Set(1 + 3.5*random.Float64())
		}
		for layer := range 5 {
			s.classic.WithLabelValues(target, fmt.Sprint(layer)).Observe(random.ExpFloat64() / 20)
		}
		for range 10 {
			s.native.WithLabelValues(target).Observe(0.02 + random.ExpFloat64()/100)
		}
	}
	s.counters.WithLabelValues("proof", "").Add(float64(n)) // 0 + 1 + 2 + …
}

// An hour of an agent with twenty targets waits on disk while there is no
// Prometheus at all; then one starts that knows Remote Write 1.0 alone, and gets
// every sample.
func TestPeerPrometheusGetsAnHourOfSamples(t *testing.T) {
	const steps, interval = 240, 15 * time.Second
	p := prometheustest.New(t, receiverConfig, "--web.enable-remote-write-receiver", "--enable-feature=native-histograms",
		"--query.max-samples=50000000")
	s := newSite()
	w, log := newWriter(t, Options{URL: p.URL + "/api/v1/write", QueueDir: t.TempDir(), NativeHistograms: true, SamplesPerSend: 2000}, s)
	began := time.Now().Add(-steps * interval).Truncate(time.Second)
	go w.deliver(t.Context())
	for n := range steps {
		s.step(n)
		w.collect(began.Add(time.Duration(n) * interval))
	}
	waits := w.Stats()
	if waits.Sent != 0 || waits.Backlog != waits.Collected || waits.Collected < 1_000_000 {
		t.Fatalf("got %+v, want a million samples waiting", waits)
	}
	t.Logf("%d samples of %d collections wait in %d bytes: %.1f bytes each; %d retries so far",
		waits.Backlog, steps, waits.BacklogBytes, float64(waits.BacklogBytes)/float64(waits.Backlog), waits.Retries)

	p.Start()
	up := time.Now()
	for w.Stats().Backlog > 0 && time.Since(up) < 5*time.Minute {
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("delivered in %v", time.Since(up).Round(100*time.Millisecond))
	end := w.Stats()
	if end.Sent != waits.Collected || end.Rejected != 0 || end.Backlog != 0 || end.Protocol != Version1 {
		t.Errorf("got %+v, want all %d samples sent by 1.0 and none refused\n%s", end, waits.Collected, log)
	}
	w.queue.close()

	// What Prometheus has, by its own count: floats and histograms alike.
	var has int64
	for _, name := range []string{"site_packets_total", "site_figure", "site_layer_seconds_bucket", "site_layer_seconds_sum",
		"site_layer_seconds_count", "site_rtt_seconds_bucket", "site_rtt_seconds_sum", "site_rtt_seconds_count", "site_rtt_seconds"} {
		n, _ := p.Value(fmt.Sprintf(`sum(count_over_time(%s[2h]))`, name))
		has += int64(n)
	}
	if has != waits.Collected {
		t.Errorf("Prometheus has %d samples, %d were collected", has, waits.Collected)
	}
	proof := p.Query(`site_packets_total{target="proof"}[2h]`)[0].Values
	for n, one := range proof {
		want := prometheustest.Sample{At: began.Add(time.Duration(n) * interval), Value: float64(n * (n + 1) / 2)}
		if !one.At.Equal(want.At) || one.Value != want.Value {
			t.Fatalf("sample %d: got %v, want %v", n, one, want)
		}
	}
	if len(proof) != steps {
		t.Errorf("got %d samples of the proof, want %d", len(proof), steps)
	}
	// The native histogram and the buckets beside it count the same.
	last := began.Add((steps - 1) * interval).Unix()
	native, _ := p.Value(fmt.Sprintf(`sum(histogram_count(site_rtt_seconds @ %d))`, last))
	classic, _ := p.Value(fmt.Sprintf(`sum(site_rtt_seconds_bucket{le="+Inf"} @ %d)`, last))
	if want := float64(steps * 20 * 10); native != want || classic != want {
		t.Errorf("got %v observations by native histograms and %v by classic ones, want %v", native, classic, want)
	}
	// 0.02 plus an exponential of mean 0.01: the median is 0.02 + 0.01·ln 2.
	median, _ := p.Value(fmt.Sprintf(`histogram_quantile(0.5, sum(site_rtt_seconds @ %d))`, last))
	if want := 0.02 + 0.01*math.Ln2; math.Abs(median-want) > 0.1*want {
		t.Errorf("got a median of %v from native histograms, want %v within a bucket", median, want)
	}
}
