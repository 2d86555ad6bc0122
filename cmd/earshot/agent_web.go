package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/pflag"

	"github.com/earshot-voip/earshot/internal/catalog"
	"github.com/earshot-voip/earshot/internal/config"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/internal/web"
)

// webFlags say where and how the agent is served; their names are those of
// Prometheus' exporters.
type webFlags struct {
	listen web.Listen
	pprof  bool
	probes int
}

func (f *webFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.listen.Addresses, "web.listen-address", []string{":9725"}, "address and TCP port of metrics and pages; may be repeated; empty: none")
	fs.StringVar(&f.listen.ConfigFile, "web.config.file", "", "YAML file with TLS and passwords, in the form of Prometheus' exporters")
	fs.BoolVar(&f.listen.Systemd, "web.systemd-socket", false, "listen on the sockets that systemd hands over instead")
	fs.BoolVar(&f.pprof, "web.enable-pprof", false, "serve /debug/pprof")
	fs.IntVar(&f.probes, "web.probe-calls", 20, "most calls of /probe at once")
}

// check notes what is wrong with the flags.
func (f *webFlags) check(wrong *problems) {
	if len(f.listen.Addresses) == 1 && f.listen.Addresses[0] == "" {
		f.listen.Addresses = nil
	}
	if f.probes < 1 {
		wrong.add("--web.probe-calls", fmt.Errorf("must be at least 1, is %d", f.probes))
	}
	wrong.add("--web.config.file", f.listen.Check())
}

// on reports whether anything is to be served.
func (f *webFlags) on() bool { return f.listen.Systemd || len(f.listen.Addresses) > 0 }

// openHistory opens the history where the configuration wants it. Without a
// place it is in a folder of its own, which forget removes.
func openHistory(c config.History, log *slog.Logger) (store *history.Store, forget func() error, err error) {
	folder, forget := c.Path, func() error { return nil }
	if folder == "" {
		if folder, err = os.MkdirTemp("", "earshot-history-"); err != nil {
			return nil, nil, err
		}
		forget = func() error { return os.RemoveAll(folder) }
	}
	store, err = history.Open(history.Config{
		Path: filepath.Join(folder, "history.db"), MaxBytes: int64(c.MaxSize), Good: c.GoodCalls, Bad: c.BadCalls, Log: log,
	})
	return store, forget, err
}

// historyFacts is how the history is doing, for the metrics.
func historyFacts(s *history.Store) catalog.History {
	h := s.Health()
	return catalog.History{
		Written: h.Stored, Dropped: h.Dropped, SetAside: h.Damaged, Waiting: h.Waiting,
		Bytes: h.Bytes, Limit: h.MaxBytes, Writable: h.Err == "",
	}
}

// pages is everything that the agent serves.
func (s *service) pages() http.Handler {
	return web.New(web.Config{
		Version: readBuild().Version,
		Status:  s.agent.Status,
		History: s.history,
		Metrics: promhttp.InstrumentMetricHandler(s.registry, promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{
			EnableOpenMetrics: true, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelError),
		})),
		Loaded:        s.current.Load,
		Reload:        s.reload,
		Ready:         s.ready,
		ParallelProbe: s.show.probes,
		Pprof:         s.show.pprof,
		Log:           s.log,
	})
}

// webServer is the HTTP side of a running agent.
type webServer struct {
	stop  context.CancelFunc
	ended chan error // what serving ended with
}

// serveWeb begins to serve; when that fails, the whole agent is told by fail.
func serveWeb(f *webFlags, handler http.Handler, log *slog.Logger, fail context.CancelCauseFunc) *webServer {
	ctx, stop := context.WithCancel(context.Background())
	s := &webServer{stop: stop, ended: make(chan error, 1)}
	if !f.on() {
		s.ended <- nil
		return s
	}
	go func() {
		err := web.Serve(ctx, f.listen, handler, log, func(all []net.Addr) { announce(all, f.listen.ConfigFile, log) })
		if err != nil {
			err = withHint(fmt.Errorf("serve metrics and pages: %w", err), "--web.listen-address takes another address; empty serves nothing")
			fail(err)
		}
		s.ended <- err
	}()
	return s
}

// close ends what is being answered, and stops.
func (s *webServer) close() error {
	s.stop()
	return <-s.ended
}

// announce says where the pages are, and who can see them.
func announce(all []net.Addr, configFile string, log *slog.Logger) {
	for _, at := range all {
		log.Info("serving metrics and pages", "address", at.String())
		if one, err := netip.ParseAddrPort(at.String()); err == nil && !one.Addr().IsLoopback() && configFile == "" {
			log.Warn("whoever reaches this address can see the pages and call by /probe", "address", at.String(),
				"hint", "--web.config.file sets TLS and passwords")
		}
	}
}
