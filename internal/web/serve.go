package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/exporter-toolkit/web"
)

// Listen says where to serve.
type Listen struct {
	Addresses  []string // host:port
	Systemd    bool     // take the sockets of systemd instead
	ConfigFile string   // TLS, passwords and headers, in the form of Prometheus' exporters; empty: plain HTTP
}

// Check reports what is wrong with the web configuration file.
func (l Listen) Check() error {
	if err := web.Validate(l.ConfigFile); err != nil {
		return fmt.Errorf("web configuration %s: %w", l.ConfigFile, err)
	}
	return nil
}

const (
	headerPatience = 10 * time.Second
	idlePatience   = 2 * time.Minute
	endPatience    = 3 * time.Second // for requests that are being answered
	longestHeader  = 64 << 10
)

// Serve serves until ctx ends, and tells ready once it listens, with the
// addresses. Requests that are being answered then have three seconds.
func Serve(ctx context.Context, l Listen, handler http.Handler, log *slog.Logger, ready func([]net.Addr)) error {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerPatience,
		IdleTimeout:       idlePatience,
		MaxHeaderBytes:    longestHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	flags := &web.FlagConfig{WebListenAddresses: &l.Addresses, WebSystemdSocket: &l.Systemd, WebConfigFile: &l.ConfigFile}
	serve := func() error { return web.ListenAndServe(server, flags, log) }
	if !l.Systemd {
		listeners, err := listenAll(l.Addresses)
		if err != nil {
			return err
		}
		var at []net.Addr
		for _, one := range listeners {
			at = append(at, one.Addr())
		}
		ready(at)
		serve = func() error { return web.ServeMultiple(listeners, server, flags, log) }
	} else {
		ready(nil)
	}
	done := make(chan error, 1)
	go func() { done <- serve() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
	defer cancel()
	err := server.Shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	if ended := <-done; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}

func listenAll(addresses []string) ([]net.Listener, error) {
	var all []net.Listener
	for _, address := range addresses {
		one, err := net.Listen("tcp", address)
		if err != nil {
			for _, other := range all {
				err = errors.Join(err, other.Close())
			}
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}
