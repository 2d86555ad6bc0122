package web

import (
	"fmt"
	"net/http"
)

// plain answers with a line of text.
func plain(w http.ResponseWriter, status int, format string, args ...any) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, format+"\n", args...)
}

// healthy says that the process answers.
func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "Earshot is healthy.")
}

// ready says whether the agent works. A history that cannot be written does not
// make it unready: calls and metrics go on.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.config.Ready != nil {
		if err := s.config.Ready(); err != nil {
			plain(w, http.StatusServiceUnavailable, "Earshot is not ready: %v", err)
			return
		}
	}
	if s.config.History != nil {
		if h := s.config.History.Health(); h.Err != "" {
			plain(w, http.StatusOK, "Earshot is ready. The history has not been written since %s: %s", h.Since.UTC().Format("2006-01-02 15:04:05 UTC"), h.Err)
			return
		}
	}
	plain(w, http.StatusOK, "Earshot is ready.")
}

// reload reads the configuration again. A bad one changes nothing.
func (s *Server) reload(w http.ResponseWriter, _ *http.Request) {
	if s.config.Reload == nil {
		plain(w, http.StatusNotImplemented, "There is no configuration to reload.")
		return
	}
	if err := s.config.Reload(); err != nil {
		plain(w, http.StatusInternalServerError, "The configuration is bad; the old one keeps running.\n%v", err)
		return
	}
	plain(w, http.StatusOK, "The configuration was reloaded.")
}

// showConfig shows what is in effect; secrets are not in it.
func (s *Server) showConfig(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if c := s.loaded(); c != nil {
		_, _ = w.Write(c.Render())
	}
}
