package remotewrite

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/common/config"
)

// client delivers messages to one receiver and knows which version of the
// protocol it speaks. It belongs to one goroutine.
type client struct {
	api      *remote.API
	observed *observer
	protocol Protocol // that was asked for

	speaks    Protocol  // in use; never Auto
	confirmed bool      // the receiver has shown that it knows the version in use
	fellBack  time.Time // to 1.0
}

func newClient(o Options, agent string) (*client, error) {
	cfg := config.HTTPClientConfig{
		EnableHTTP2: true,
		TLSConfig: config.TLSConfig{
			CAFile: o.CAFile, CertFile: o.CertFile, KeyFile: o.KeyFile, ServerName: o.TLSServerName,
		},
		ProxyConfig: config.ProxyConfig{ProxyFromEnvironment: true},
	}
	if o.Username != "" {
		cfg.BasicAuth = &config.BasicAuth{Username: o.Username, PasswordFile: o.PasswordFile}
	}
	if o.TokenFile != "" {
		cfg.Authorization = &config.Authorization{Type: "Bearer", CredentialsFile: o.TokenFile}
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("remote write to %s: %w", o.Name, err)
	}
	inner, err := config.NewClientFromConfig(cfg, "remote_write", config.WithUserAgent(agent))
	if err != nil {
		return nil, fmt.Errorf("remote write to %s: %w", o.Name, err)
	}
	to, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("remote write to %s: not a URL", o.Name)
	}
	observed := &observer{next: inner.Transport, to: to, headers: o.Headers, longest: o.MaxRetry}
	api, err := remote.NewAPI(o.URL,
		remote.WithAPIPath(""),
		remote.WithAPIHTTPClient(&http.Client{Transport: observed, CheckRedirect: inner.CheckRedirect, Timeout: o.Timeout}),
		remote.WithAPIBackoff(remote.BackoffConfig{Min: o.MinRetry, Max: o.MaxRetry}), // without end
	)
	if err != nil {
		return nil, fmt.Errorf("remote write to %s: %w", o.Name, err)
	}
	c := &client{api: api, observed: observed, protocol: o.Protocol, speaks: o.Protocol}
	if c.speaks == Auto {
		c.speaks = Version2
	}
	return c, nil
}

// refusal is an answer after which a request must not be repeated.
type refusal struct {
	status  int
	message string
	written int // samples that the receiver took all the same
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the receiver refused with status %d: %s", r.status, r.message)
}

// write delivers a message of Remote Write 2.0, translated if need be. It tries
// until the receiver has decided or ctx is done; retrying is told of each failure
// that may pass. The error is a *refusal, or that of ctx, or one of a message
// that cannot be read.
func (c *client) write(ctx context.Context, message []byte, retrying func(error)) error {
	if c.protocol == Auto && c.speaks == Version1 && time.Since(c.fellBack) > reprobing {
		c.speaks, c.confirmed = Version2, false
	}
	err := c.attempt(ctx, message, retrying)
	refused, is := err.(*refusal)
	if !is || c.protocol != Auto || c.speaks != Version2 || !c.versionInDoubt(refused.status) {
		return err
	}
	c.speaks = Version1
	if again := c.attempt(ctx, message, retrying); again == nil {
		c.fellBack = time.Now()
		return nil
	} else if _, is := again.(*refusal); !is {
		return again
	}
	c.speaks = Version2 // it was not for the version
	return err
}

// versionInDoubt says whether a refusal can mean that the receiver knows only
// 1.0. One that knows 2.0 says 415 (Remote Write 2.0, "Content negotiation");
// older ones have no word for it: they answer 400, or 2xx and have read nothing.
func (c *client) versionInDoubt(status int) bool {
	switch {
	case status == http.StatusUnsupportedMediaType, status/100 == 2:
		return true
	case status/100 == 4:
		return !c.confirmed
	}
	return false
}

// attempt sends in the version in use.
func (c *client) attempt(ctx context.Context, message []byte, retrying func(error)) error {
	kind, body := remote.WriteV2MessageType, message
	if c.speaks == Version1 {
		translated, err := toV1(message)
		if err != nil {
			return err
		}
		kind, body = remote.WriteV1MessageType, translated
	}
	stats, err := c.api.Write(ctx, kind, encoded(body), remote.WithWriteRetryCallback(retrying))
	switch {
	case err == nil:
		c.confirmed = true
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return &refusal{status: c.observed.status, message: c.observed.said(err), written: stats.AllSamples()}
}

// encoded is a message in its wire form; the methods are those by which the
// library asks for it.
type encoded []byte

// Size is the length of the message in bytes.
func (e encoded) Size() int { return len(e) }

// MarshalToSizedBuffer copies the message into a buffer of its size.
func (e encoded) MarshalToSizedBuffer(buf []byte) (int, error) { return copy(buf, e), nil }

// close lets go of idle connections.
func (c *client) close() {
	if idle, can := c.observed.next.(interface{ CloseIdleConnections() }); can {
		idle.CloseIdleConnections()
	}
}
