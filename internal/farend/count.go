package farend

import (
	"net/http"
	"sync/atomic"
)

// Sessions counts the calls that an endpoint created and those that callers
// ended by DELETE. It is an http.Handler around the endpoint.
type Sessions struct {
	endpoint       http.Handler
	created, ended atomic.Int64
}

// CountSessions puts the count around an endpoint.
func CountSessions(endpoint http.Handler) *Sessions { return &Sessions{endpoint: endpoint} }

// Created returns how many sessions the endpoint created.
func (s *Sessions) Created() int64 { return s.created.Load() }

// Ended returns how many sessions callers asked to end. One that the endpoint
// had ended before counts too.
func (s *Sessions) Ended() int64 { return s.ended.Load() }

// ServeHTTP implements http.Handler.
func (s *Sessions) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := &statusWriter{ResponseWriter: w}
	s.endpoint.ServeHTTP(seen, r)
	switch {
	case r.Method == http.MethodPost && seen.status == http.StatusCreated:
		s.created.Add(1)
	case r.Method == http.MethodDelete && (seen.status < 300 || seen.status == http.StatusNotFound):
		s.ended.Add(1)
	}
}

// statusWriter notes the status; 0 stands for an implied 200.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
