package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/earshot-voip/earshot/internal/config"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

// loaded is the configuration in effect; nil without one.
func (s *Server) loaded() *config.Config {
	if s.config.Loaded == nil {
		return nil
	}
	return s.config.Loaded()
}

// queryError is what is wrong with one parameter of a request.
type queryError struct{ parameter, problem, hint string }

func (e *queryError) Error() string { return e.parameter + ": " + e.problem }

// queryKeys are the parameters of a list of calls.
var queryKeys = []string{"target", "verdict", "layer", "code", "since", "until", "limit", "before"}

// parseQuery reads which calls are asked for.
func parseQuery(v url.Values, now time.Time) (history.Query, error) {
	q := history.Query{Name: v.Get("target"), Layer: probe.Layer(v.Get("layer")), Code: probe.Code(v.Get("code"))}
	for key := range v {
		if !slices.Contains(queryKeys, key) {
			return q, &queryError{key, "is not known", fmt.Sprintf("the parameters are %v", queryKeys)}
		}
	}
	for _, text := range v["verdict"] {
		verdict := probe.Verdict(text)
		switch verdict {
		case "":
			continue
		case probe.Good, probe.Degraded, probe.Failed, probe.Untrusted:
			q.Verdicts = append(q.Verdicts, verdict)
		default:
			return q, &queryError{"verdict", fmt.Sprintf("%q is none", text), "good, degraded, failed or untrusted; may be repeated"}
		}
	}
	if q.Layer != "" && !slices.Contains(probe.Layers, q.Layer) {
		return q, &queryError{"layer", fmt.Sprintf("%q is none", q.Layer), fmt.Sprintf("one of %v", probe.Layers)}
	}
	var err error
	if q.Since, err = parseTime(v.Get("since"), now); err != nil {
		return q, &queryError{"since", err.Error(), "a time like 2026-11-23T20:00:00Z, or how long ago, like 6h"}
	}
	if q.Until, err = parseTime(v.Get("until"), now); err != nil {
		return q, &queryError{"until", err.Error(), "a time like 2026-11-23T20:00:00Z, or how long ago, like 6h"}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > history.MaxLimit {
			return q, &queryError{"limit", fmt.Sprintf("%q is not within 1..%d", text, history.MaxLimit), "leave it out for " + strconv.Itoa(history.DefaultLimit)}
		}
	}
	if text := v.Get("before"); text != "" {
		if q.Before, err = strconv.ParseUint(text, 10, 64); err != nil {
			return q, &queryError{"before", fmt.Sprintf("%q is no place in the list", text), "take next of the page before"}
		}
	}
	return q, nil
}

// parseTime reads a time, or how long before now it was. Empty is the zero time.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a time nor a duration", text)
	}
	return t, nil
}

// answer writes a value as JSON.
func (s *Server) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		s.config.Log.Debug("an answer was not taken", "error", err)
	}
}

// refuse writes what is wrong as JSON.
func (s *Server) refuse(w http.ResponseWriter, err error) {
	body := map[string]string{"error": err.Error()}
	status := http.StatusInternalServerError
	var q *queryError
	switch {
	case errors.As(err, &q):
		status, body["hint"] = http.StatusBadRequest, q.hint
	case errors.Is(err, history.ErrNotFound):
		status, body["hint"] = http.StatusNotFound, "the history keeps the last calls of each target; older ones are gone"
	default:
		s.config.Log.Error("a request failed", "error", err)
	}
	s.answer(w, status, body)
}

var errNoHistory = fmt.Errorf("%w: no history is kept", history.ErrNotFound)

// list asks the history; without one there are no calls.
func (s *Server) list(q history.Query) (history.Page, error) {
	if s.config.History == nil {
		return history.Page{Calls: []history.Entry{}}, nil
	}
	return s.config.History.List(q)
}

func (s *Server) report(id string) ([]byte, error) {
	if s.config.History == nil {
		return nil, errNoHistory
	}
	return s.config.History.Report(id)
}

// apiCalls lists calls.
func (s *Server) apiCalls(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), s.config.Now())
	if err != nil {
		s.refuse(w, err)
		return
	}
	page, err := s.list(q)
	if err != nil {
		s.refuse(w, err)
		return
	}
	var next *string
	if page.Next != 0 {
		text := strconv.FormatUint(page.Next, 10)
		next = &text
	}
	s.answer(w, http.StatusOK, struct {
		Calls []history.Entry `json:"calls"`
		Next  *string         `json:"next"` // for before=, to get the calls before these
	}{page.Calls, next})
}

// apiCall returns the report of a call.
func (s *Server) apiCall(w http.ResponseWriter, r *http.Request) {
	raw, err := s.report(r.PathValue("id"))
	if err != nil {
		s.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(raw)
}

// apiTarget is a target as programs see it.
type apiTarget struct {
	Name     string          `json:"name"`
	Target   string          `json:"target"`
	Mode     string          `json:"mode"`
	State    State           `json:"state"`
	Stale    bool            `json:"stale"`
	Why      string          `json:"why"`
	Layer    probe.Layer     `json:"layer,omitempty"`
	Code     probe.Code      `json:"code,omitempty"`
	At       *time.Time      `json:"at"`
	Age      *float64        `json:"age_seconds"`
	LastCall *string         `json:"last_call"`
	Running  []apiRunning    `json:"running"`
	Next     *time.Time      `json:"next"`
	Skipped  int64           `json:"skipped"`
	Late     float64         `json:"late_seconds"`
	Figures  history.Figures `json:"figures"`
}

type apiRunning struct {
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Windows int64     `json:"windows"`
}

// apiTargets lists the targets, the worst first.
func (s *Server) apiTargets(w http.ResponseWriter, _ *http.Request) {
	now := s.config.Now()
	watches, _, err := s.watches(now)
	if err != nil {
		s.refuse(w, err)
		return
	}
	list := make([]apiTarget, 0, len(watches))
	for _, one := range watches {
		list = append(list, one.api(now))
	}
	s.answer(w, http.StatusOK, map[string]any{"now": now.UTC(), "targets": list})
}

func (w watch) api(now time.Time) apiTarget {
	t := apiTarget{Name: w.Name, Target: w.Target, Mode: string(w.Job.Mode), State: w.State, Stale: w.Stale, Why: w.Why,
		Layer: w.Layer, Code: w.Code, Skipped: w.Skipped, Late: w.Late.Seconds(), Figures: w.Figures, Running: []apiRunning{}}
	if !w.At.IsZero() {
		at, age := w.At.UTC(), now.Sub(w.At).Seconds()
		t.At, t.Age = &at, &age
	}
	if w.CallID != "" {
		t.LastCall = &w.CallID
	}
	if !w.Next.IsZero() {
		next := w.Next.UTC()
		t.Next = &next
	}
	for _, c := range w.Running {
		t.Running = append(t.Running, apiRunning{c.ID, c.Started.UTC(), c.Windows})
	}
	return t
}
