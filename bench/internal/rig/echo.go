package rig

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
)

// EchoRole is the role of a child that is an echo endpoint.
const EchoRole = "echo"

// EchoConfig says what an echo in a child process does.
type EchoConfig struct {
	Up, Down impair.Schedule `json:",omitempty"`
	Recorded int             // packets in its ledgers, per direction
	// Candidate is what answers name in place of the echo's own media address:
	// a relay in front of it.
	Candidate netip.AddrPort
	// TLS is the certificate to serve with, and its key, in PEM; without it the
	// signalling is plain HTTP.
	Certificate, Key []byte
	// UserTimes takes the kernel's receive times away; see TakeKernelTimes.
	UserTimes bool
}

// Echo is an echo endpoint in a process of its own.
type Echo struct {
	*Child
	URL   string
	Media netip.AddrPort
}

// echoReady is the first thing that the child says. Ledgers follow.
type echoReady struct {
	URL   string
	Media netip.AddrPort
}

// StartEcho starts one on loopback.
func StartEcho(config EchoConfig) (*Echo, error) {
	child, err := Spawn(EchoRole, config)
	if err != nil {
		return nil, err
	}
	e := &Echo{Child: child}
	var ready echoReady
	if err := child.Hear(&ready); err != nil {
		return nil, errors.Join(err, child.Stop())
	}
	e.URL, e.Media = ready.URL, ready.Media
	return e, nil
}

// Ledgers waits for the end of the next call and returns what was done to it.
func (e *Echo) Ledgers() (echo.Call, error) {
	var call echo.Call
	err := e.Hear(&call)
	return call, err
}

// PlayEcho is the child's side.
func PlayEcho(ctx context.Context, text json.RawMessage, say func(any) error) error {
	var config EchoConfig
	if err := json.Unmarshal(text, &config); err != nil {
		return err
	}
	ended := make(chan echo.Call, 4096)
	server, err := echo.New(echo.Config{
		Up: config.Up, Down: config.Down, Recorded: config.Recorded, MaxCalls: 4096,
		OnEnd: func(c echo.Call) { ended <- c },
	})
	if err != nil {
		return err
	}
	if config.UserTimes {
		if err := TakeKernelTimes(); err != nil {
			return err
		}
	}
	url, stop, err := serve(config, edit(server, config.Candidate))
	if err != nil {
		return err
	}
	if err := say(echoReady{url, server.MediaAddr()}); err != nil {
		return err
	}
	for ctx.Err() == nil {
		select {
		case call := <-ended:
			if config.Recorded == 0 {
				continue // nobody asked
			}
			if err := say(call); err != nil {
				return err
			}
		case <-ctx.Done():
		}
	}
	stop()
	closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return server.Close(closing)
}

func serve(config EchoConfig, handler http.Handler) (url string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	scheme := "http"
	if len(config.Certificate) > 0 {
		pair, err := tls.X509KeyPair(config.Certificate, config.Key)
		if err != nil {
			return "", nil, errors.Join(err, listener.Close())
		}
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
		scheme = "https"
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		if scheme == "https" {
			_ = server.ServeTLS(listener, "", "")
			return
		}
		_ = server.Serve(listener)
	}()
	stop = func() {
		_ = server.Close()
		<-over
	}
	return fmt.Sprintf("%s://%s/echo", scheme, listener.Addr()), stop, nil
}

var (
	candidateAddress = regexp.MustCompile(`(?m)^(a=candidate:\S+ \d+ \S+ \d+) \S+ \d+ `)
	mediaPort        = regexp.MustCompile(`(?m)^m=audio \d+ `)
	candidateLine    = regexp.MustCompile(`(?m)^a=candidate:.*\r?\n`)
)

// edit puts a relay between the two ends: answers name its address, and offers
// name none, as of a caller behind a NAT, so that the echo knows the caller by
// what comes from the relay alone. An invalid address changes nothing.
func edit(endpoint http.Handler, candidate netip.AddrPort) http.Handler {
	if !candidate.IsValid() {
		return endpoint
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		offer, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		offer = candidateLine.ReplaceAll(offer, nil)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(offer)), int64(len(offer))
		answered := httptest.NewRecorder()
		endpoint.ServeHTTP(answered, r)
		body := answered.Body.Bytes()
		if answered.Code == http.StatusCreated {
			body = candidateAddress.ReplaceAll(body, fmt.Appendf(nil, "${1} %s %d ", candidate.Addr(), candidate.Port()))
			body = mediaPort.ReplaceAll(body, fmt.Appendf(nil, "m=audio %d ", candidate.Port()))
		}
		maps.Copy(w.Header(), answered.Header())
		w.WriteHeader(answered.Code)
		_, _ = io.Copy(w, bytes.NewReader(body)) // the caller may be gone
	})
}
