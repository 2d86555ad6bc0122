package echo

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/earshot-voip/earshot/internal/impair"
)

// ConditionsPath is where an endpoint with Config.Drill takes new conditions:
// GET returns the present ones, PUT sets them, both as JSON.
const ConditionsPath = "/-/conditions"

// maxConditions bounds the body of a PUT, in bytes.
const maxConditions = 4 << 10

// Fault is how the endpoint itself misbehaves on purpose.
type Fault string

// The faults.
const (
	NoFault Fault = ""
	Silent  Fault = "silent"  // what comes back is silence, in place of the media that arrived
	NoDTLS  Fault = "no_dtls" // DTLS is dropped: calls that stand go on, new ones do not get up
)

var faults = []Fault{NoFault, Silent, NoDTLS}

// Conditions are what an endpoint does to its calls on purpose, from the moment
// they are set, to those that stand and to those that come.
type Conditions struct {
	Up    impair.Profile `json:"up"`   // what is done to media that arrives
	Down  impair.Profile `json:"down"` // and to what is sent back
	Fault Fault          `json:"fault"`
}

// Validate reports what cannot be done.
func (c Conditions) Validate() error {
	if err := c.Up.Validate(); err != nil {
		return fmt.Errorf("up: %w", err)
	}
	if err := c.Down.Validate(); err != nil {
		return fmt.Errorf("down: %w", err)
	}
	if !slices.Contains(faults, c.Fault) {
		return fmt.Errorf("fault: %q is not known; hint: use %s or %s, or leave it out", c.Fault, Silent, NoDTLS)
	}
	return nil
}

// SetConditions changes the conditions of all calls. The endpoint must have been
// made with Config.Drill. The seeds of the profiles are those that each call
// began with.
func (s *Server) SetConditions(c Conditions) error {
	if !s.config.Drill {
		return fmt.Errorf("set conditions: this endpoint is not for drills")
	}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("set conditions: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conditions = c
	s.port.BlockDTLS(c.Fault == NoDTLS)
	for _, one := range s.sessions {
		if one.media != nil {
			one.media.meet(c)
		}
	}
	s.config.Log.Info("conditions changed", "up", c.Up.String(), "down", c.Down.String(), "fault", string(c.Fault))
	return nil
}

// Conditions returns what SetConditions set last.
func (s *Server) Conditions() Conditions {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conditions
}

// join gives a session its media under the present conditions, and all that
// follow.
func (s *Server) join(one *session) {
	media := newReflection(&s.config)
	s.mu.Lock()
	defer s.mu.Unlock()
	one.media = media
	if s.config.Drill {
		media.meet(s.conditions)
	}
}

func (s *Server) showConditions(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.Conditions())
}

func (s *Server) changeConditions(w http.ResponseWriter, r *http.Request) {
	var c Conditions
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxConditions))
	d.DisallowUnknownFields()
	err := d.Decode(&c)
	if err == nil && d.More() {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = s.SetConditions(c)
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, strings.TrimSpace(err.Error()))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
