package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
)

// endpoint is an echo endpoint that is being served.
type endpoint struct {
	echo *echo.Server
	http *http.Server
	url  string
	done chan error // what serving ended with
}

// Limits of the HTTP server. An answer takes as long as gathering candidates.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 15 * time.Second
	answerTimeout = 30 * time.Second
	idleTimeout   = time.Minute
	maxHeader     = 16 << 10
	closeTimeout  = 5 * time.Second
)

// serveEcho opens the signalling and the media port and serves both. Media
// listens on the address of the signalling unless the configuration names one.
func serveEcho(config echo.Config, listen string, secure *tls.Config) (*endpoint, error) {
	config.Path = "/" + strings.Trim(config.Path, "/")
	listener, err := net.Listen(networkOf(listen), listen)
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(listener.Addr().String())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	if !config.Media.Addr().IsValid() {
		config.Media = netip.AddrPortFrom(at.Addr(), config.Media.Port())
	}
	server, err := echo.New(config)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	e := &endpoint{
		echo: server,
		http: &http.Server{
			Handler:           server,
			TLSConfig:         secure,
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       bodyTimeout,
			WriteTimeout:      answerTimeout,
			IdleTimeout:       idleTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          slog.NewLogLogger(config.Log.Handler(), slog.LevelInfo),
		},
		url:  (&url.URL{Scheme: "http", Host: at.String(), Path: config.Path}).String(),
		done: make(chan error, 1),
	}
	if secure != nil {
		e.url = "https" + strings.TrimPrefix(e.url, "http")
	}
	go func() {
		if secure != nil {
			e.done <- e.http.ServeTLS(listener, "", "")
			return
		}
		e.done <- e.http.Serve(listener)
	}()
	return e, nil
}

// networkOf keeps an IPv4 address from meaning IPv6 too, which 0.0.0.0 otherwise
// does.
func networkOf(listen string) string {
	if at, err := netip.ParseAddrPort(listen); err == nil && at.Addr().Is4() {
		return "tcp4"
	}
	return "tcp"
}

// close ends all calls, telling their callers, and stops serving. It returns
// when that is done, or after closeTimeout.
func (e *endpoint) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := e.echo.Close(ctx)
	if shut := e.http.Shutdown(ctx); shut != nil {
		err = errors.Join(err, fmt.Errorf("stop serving: %w", shut), e.http.Close())
	}
	return err
}
