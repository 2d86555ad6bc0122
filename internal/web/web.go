// Package web is what the agent shows over HTTP: metrics for Prometheus, /probe,
// a status page for people, the history as JSON, and the endpoints by which
// the process is watched and reloaded.
//
// Most callers make a Server with New, which is an http.Handler, and Serve it
// with TLS, passwords or sockets of systemd as the web configuration file says.
// The pages need no script to be read, load nothing from elsewhere, and never
// show what is not known as a number.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/config"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

// Config says what is behind the pages. Functions are asked at each request.
type Config struct {
	Version       string
	Status        func() agent.Status
	History       *history.Store                                             // nil: none is kept
	Metrics       http.Handler                                               // nil: no /metrics
	Loaded        func() *config.Config                                      // the configuration in effect
	Reload        func() error                                               // reads it again; its error is shown to who asked
	Ready         func() error                                               // nil, or why the agent does not work yet
	Probe         func(context.Context, probe.Target) (*probe.Result, error) // places a call for /probe; nil: probe.Run
	ParallelProbe int                                                        // calls of /probe at once; default 20
	Pprof         bool                                                       // serve /debug/pprof
	Log           *slog.Logger
	Now           func() time.Time // nil: time.Now
}

// Server is the http.Handler. It is safe for concurrent use.
type Server struct {
	config  Config
	handler http.Handler
	pages   pages
	probes  chan struct{} // a place for each call of /probe
}

// New returns a server of everything that the configuration has.
func New(c Config) *Server {
	if c.ParallelProbe <= 0 {
		c.ParallelProbe = 20
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Probe == nil {
		c.Probe = probe.Run
	}
	s := &Server{config: c, pages: newPages(), probes: make(chan struct{}, c.ParallelProbe)}
	s.handler = http.NewCrossOriginProtection().Handler(secured(s.routes()))
	return s
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.overview)
	mux.HandleFunc("GET /targets/{name}", s.target)
	mux.HandleFunc("GET /calls", s.calls)
	mux.HandleFunc("GET /calls/{id}", s.call)
	mux.Handle("GET /assets/{file}", assetHandler())
	mux.HandleFunc("GET /", s.notFound)

	mux.HandleFunc("GET /api/v1/calls", s.apiCalls)
	mux.HandleFunc("GET /api/v1/calls/{id}", s.apiCall)
	mux.HandleFunc("GET /api/v1/targets", s.apiTargets)

	if s.config.Metrics != nil {
		mux.Handle("GET /metrics", s.config.Metrics)
	}
	mux.HandleFunc("GET /probe", s.probe)
	mux.HandleFunc("GET /-/healthy", s.healthy)
	mux.HandleFunc("GET /-/ready", s.ready)
	mux.HandleFunc("POST /-/reload", s.reload)
	mux.HandleFunc("PUT /-/reload", s.reload)
	mux.HandleFunc("GET /-/reload", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", "POST, PUT")
		plain(w, http.StatusMethodNotAllowed, "Reload by POST or PUT.")
	})
	mux.HandleFunc("GET /config", s.showConfig)
	if s.config.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// policy lets pages load from this server alone, run no inline script or style,
// and be framed by nobody.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secured puts the headers on every answer.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
