package web

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/earshot-voip/earshot/internal/config"
	"github.com/earshot-voip/earshot/internal/exporter"
	"github.com/earshot-voip/earshot/internal/report"
	"github.com/earshot-voip/earshot/probe"
)

const (
	// scrapeHeader tells how long Prometheus waits for the answer, in seconds.
	scrapeHeader = "X-Prometheus-Scrape-Timeout-Seconds"
	// answerReserve of the scrape timeout is kept for the answer itself.
	answerReserve = 500 * time.Millisecond
	// setUpReserve is what a call needs before its media, and until the fate of
	// its last packets is known.
	setUpReserve = time.Second
	drainReserve = time.Second
)

// probeError is a refusal of /probe.
type probeError struct {
	status     int
	text, hint string
}

func (e *probeError) Error() string { return e.text + "\nhint: " + e.hint }

func refusal(status int, hint, format string, args ...any) error {
	return &probeError{status, fmt.Sprintf(format, args...), hint}
}

// probe places one call, as Prometheus asks for it: /probe?target=URL&module=NAME.
func (s *Server) probe(w http.ResponseWriter, r *http.Request) {
	target, err := s.probeTarget(r)
	if err == nil {
		err = s.takePlace()
	}
	if err != nil {
		s.refuseProbe(w, err)
		return
	}
	defer func() { <-s.probes }()
	var log bytes.Buffer
	debug := r.URL.Query().Get("debug") == "true"
	target.Log = s.config.Log
	if debug {
		target.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	result, err := s.config.Probe(r.Context(), target)
	if err != nil {
		s.refuseProbe(w, refusal(http.StatusBadRequest, "see target in the request", "%v", err))
		return
	}
	metrics := promhttp.HandlerFor(exporter.Shot(target, result), promhttp.HandlerOpts{EnableOpenMetrics: true})
	if !debug {
		metrics.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Call to %s\nmodule %s: %v of media, codec %s, at most %v in all\n\n", result.Target, r.URL.Query().Get("module"),
		target.Duration, target.Codec, target.Timeout)
	fmt.Fprintf(w, "Log\n\n%s\nResult\n\n", log.String())
	if err := report.Text(w, result, report.Options{}); err != nil {
		return // who asked has gone
	}
	fmt.Fprint(w, "\nMetrics\n\n")
	r.Header.Del("Accept") // the plain form, for a person
	r.Header.Del("Accept-Encoding")
	metrics.ServeHTTP(bodyOnly{w}, r)
}

// bodyOnly lets a handler write below what was written before.
type bodyOnly struct{ http.ResponseWriter }

func (bodyOnly) Header() http.Header { return http.Header{} }
func (bodyOnly) WriteHeader(int)     {}

func (s *Server) refuseProbe(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var refused *probeError
	if errors.As(err, &refused) {
		status = refused.status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	plain(w, status, "%v", err)
}

// takePlace reserves a place for a call.
func (s *Server) takePlace() error {
	select {
	case s.probes <- struct{}{}:
		return nil
	default:
		return refusal(http.StatusServiceUnavailable, "scrape less often, or spread the targets over more agents",
			"%d calls of /probe are running, and that is the limit", cap(s.probes))
	}
}

// probeTarget is the call that a request asks for, if the configuration allows it
// and the time of the scrape suffices.
func (s *Server) probeTarget(r *http.Request) (probe.Target, error) {
	v := r.URL.Query()
	for key := range v {
		if !slices.Contains([]string{"target", "module", "debug"}, key) {
			return probe.Target{}, refusal(http.StatusBadRequest, "the parameters are target, module and debug", "parameter %q is not known", key)
		}
	}
	module, err := s.module(v.Get("module"))
	if err != nil {
		return probe.Target{}, err
	}
	url := v.Get("target")
	if url == "" {
		return probe.Target{}, refusal(http.StatusBadRequest, "/probe?target=https://echo.example.com/echo&module="+module.Name, "target is missing")
	}
	target, err := module.Target(url)
	var forbidden *config.NotAllowedError
	switch {
	case errors.As(err, &forbidden):
		text, hint, _ := strings.Cut(err.Error(), "; hint: ")
		return target, refusal(http.StatusForbidden, hint, "%s", text)
	case err != nil:
		return target, refusal(http.StatusBadRequest, "see target in the request", "target cannot be called: %v", err)
	}
	timeout, err := scrapeTimeout(r.Header.Get(scrapeHeader))
	if err != nil || timeout == 0 {
		return target, err
	}
	return fit(target, module.Name, timeout)
}

func (s *Server) module(name string) (config.Module, error) {
	var modules map[string]config.Module
	if c := s.loaded(); c != nil {
		modules = c.Modules
	}
	names := slices.Sorted(maps.Keys(modules))
	switch m, ok := modules[name]; {
	case ok:
		return m, nil
	case len(modules) == 0:
		return m, refusal(http.StatusForbidden, "modules: in the configuration says what /probe may call", "no module is configured")
	case name == "":
		return m, refusal(http.StatusBadRequest, "the modules are "+strings.Join(names, ", "), "module is missing")
	default:
		return m, refusal(http.StatusBadRequest, "the modules are "+strings.Join(names, ", "), "module %q is not known", name)
	}
}

// scrapeTimeout reads the header; 0: none was sent.
func scrapeTimeout(header string) (time.Duration, error) {
	if header == "" {
		return 0, nil
	}
	seconds, err := strconv.ParseFloat(header, 64)
	if err != nil || !(seconds > 0 && seconds < 86400) {
		return 0, refusal(http.StatusBadRequest, "it is a number of seconds", "%s is %q", scrapeHeader, header)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}

// fit bounds the call by the time that the scrape has, and refuses one that
// could not even end well in it.
func fit(t probe.Target, module string, timeout time.Duration) (probe.Target, error) {
	left, need := timeout-answerReserve, setUpReserve+t.Duration+drainReserve
	if need > left {
		least := (need + answerReserve + time.Second - 1).Truncate(time.Second)
		hint := fmt.Sprintf("scrape_timeout: %v", least)
		if most := (left - setUpReserve - drainReserve).Truncate(time.Second); most >= time.Second {
			hint += fmt.Sprintf(", or modules.%s.duration: %v", module, most)
		}
		return t, refusal(http.StatusBadRequest, hint,
			"module %s does not fit into the scrape: %v to set up + %v of media + %v for the last packets = %v, and of the scrape timeout of %v, %v are kept for the answer, which leaves %v",
			module, setUpReserve, t.Duration, drainReserve, need, timeout, answerReserve, left)
	}
	t.Timeout = min(t.Timeout, left)
	return t, nil
}
