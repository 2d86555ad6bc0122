package rig

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestGetTakesNothingBut200(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/there" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("text"))
	}))
	defer server.Close()
	if text, err := Get(t.Context(), server.URL+"/there", time.Minute); err != nil || string(text) != "text" {
		t.Errorf("got %q, %v", text, err)
	}
	if text, err := Get(t.Context(), server.URL+"/starting", time.Minute); err == nil {
		t.Errorf("got %q from a server that is not ready", text)
	}
}
