package web

import (
	"bytes"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
	"github.com/earshot-voip/earshot/internal/history"
	"github.com/earshot-voip/earshot/probe"
)

// pages are the templates, by the name of the page.
type pages map[string]*template.Template

// newPages parses what is embedded; it cannot fail in a program that passed its
// tests.
func newPages() pages {
	base := template.Must(template.New("base").Funcs(functions).ParseFS(templateFiles, "templates/base.html", "templates/parts.html"))
	all := pages{}
	for _, name := range []string{"overview", "target", "calls", "call", "problem"} {
		all[name] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, "templates/"+name+".html"))
	}
	return all
}

// frame is what every page has.
type frame struct {
	Title   string
	Here    string // the part of the site
	Site    string
	Version string
	Now     time.Time
	Warning string // what everybody must know
	HasProm bool
	Body    any
}

// show writes a page whole, or an error instead.
func (s *Server) show(w http.ResponseWriter, status int, name, title, here string, body any) {
	f := frame{Title: title, Here: here, Version: s.config.Version, Now: s.config.Now().UTC(), HasProm: s.config.Metrics != nil, Body: body}
	if c := s.loaded(); c != nil {
		f.Site = c.Site
	}
	if s.config.History != nil {
		if h := s.config.History.Health(); h.Err != "" {
			f.Warning = "Calls go on, but the history has not been written since " + h.Since.UTC().Format("15:04:05 UTC") + ": " + h.Err
		} else if h.SetAside != "" {
			f.Warning = "The history was damaged and begun anew; the damaged file is kept as " + h.SetAside
		}
	}
	var page bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&page, "base", f); err != nil {
		s.config.Log.Error("a page cannot be shown", "page", name, "error", err)
		plain(w, http.StatusInternalServerError, "This page cannot be shown; the log of the agent says why.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = page.WriteTo(w)
}

// problem is a page that says what is wrong.
type problem struct{ Heading, Text, Hint string }

func (s *Server) notFound(w http.ResponseWriter, _ *http.Request) {
	s.show(w, http.StatusNotFound, "problem", "Not found", "", problem{"There is no such page", "", "The targets page lists everything that is watched."})
}

// fail shows an error as a page.
func (s *Server) fail(w http.ResponseWriter, err error) {
	var q *queryError
	switch {
	case errors.As(err, &q):
		s.show(w, http.StatusBadRequest, "problem", "Not understood", "calls", problem{"This address is not understood", q.Error(), q.hint})
	case errors.Is(err, history.ErrNotFound):
		s.show(w, http.StatusNotFound, "problem", "Not found", "calls", problem{"This call is not in the history", "",
			"The history keeps the last calls of each target, failures longer than good calls; older ones are gone. A call that still runs is there when it has ended."})
	default:
		s.config.Log.Error("a page cannot be shown", "error", err)
		s.show(w, http.StatusInternalServerError, "problem", "Error", "", problem{"Something went wrong", err.Error(), "The log of the agent says more."})
	}
}

// spans are the times over which a target can be looked at.
var spans = []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

const overviewSpan = 3 * time.Hour

// spanLink is a choice of span.
type spanLink struct {
	Text, Query string
	Chosen      bool
}

func spanOf(text string) (time.Duration, error) {
	if text == "" {
		return 6 * time.Hour, nil
	}
	for _, d := range spans {
		if spanQuery(d) == text {
			return d, nil
		}
	}
	return 0, &queryError{"span", strconv.Quote(text) + " is not offered", "1h, 6h, 24h or 168h"}
}

func spanQuery(d time.Duration) string { return strconv.Itoa(int(d/time.Hour)) + "h" }

// overviewBody is the first page.
type overviewBody struct {
	Watches []watch
	Counts  []stateCount
	Stale   int
	Needs   int // attention
	Status  agent.Status
	Latest  time.Time
	Span    string
	Calls   []history.Entry
}

type stateCount struct {
	State State
	Count int
}

func (s *Server) overview(w http.ResponseWriter, _ *http.Request) {
	now := s.config.Now()
	b, err := s.overviewBody(now)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.show(w, http.StatusOK, "overview", b.Title(), "targets", b)
}

func (s *Server) overviewBody(now time.Time) (overviewBody, error) {
	b := overviewBody{Span: spanLabel(overviewSpan)}
	var err error
	if b.Watches, b.Status, err = s.watches(now); err != nil {
		return b, err
	}
	counts := map[State]int{}
	for i := range b.Watches {
		one := &b.Watches[i]
		c, err := s.course(one.Job, overviewSpan, now)
		if err != nil {
			return b, err
		}
		one.Spark = c.spark(one.Name)
		counts[one.State]++
		if one.Stale {
			b.Stale++
		}
		if one.Attention() {
			b.Needs++
		}
		if one.At.After(b.Latest) {
			b.Latest = one.At
		}
	}
	for _, state := range []State{stateFailed, stateDegraded, stateUntrusted, stateUnknown, stateGood} {
		if counts[state] > 0 {
			b.Counts = append(b.Counts, stateCount{state, counts[state]})
		}
	}
	page, err := s.list(history.Query{Limit: 15})
	b.Calls = page.Calls
	return b, err
}

// Title is what a browser's tab says: enough to see that something is wrong.
func (b overviewBody) Title() string {
	switch {
	case len(b.Watches) == 0:
		return "No targets"
	case b.Needs > 0:
		return "(" + strconv.Itoa(b.Needs) + ") need attention"
	}
	return "All good"
}

// targetBody is the page of a target.
type targetBody struct {
	Watch  watch
	Spans  []spanLink
	Span   string
	Plots  []plot
	Points int
	Calls  []history.Entry
}

func (s *Server) target(w http.ResponseWriter, r *http.Request) {
	b, err := s.targetBody(r)
	switch {
	case err != nil:
		s.fail(w, err)
	case b == nil:
		s.show(w, http.StatusNotFound, "problem", "Not found", "targets", problem{"There is no such target", "",
			"Its name may have changed in the configuration. Its calls may still be in the history: see Calls."})
	default:
		s.show(w, http.StatusOK, "target", b.Watch.Name, "targets", b)
	}
}

func (s *Server) targetBody(r *http.Request) (*targetBody, error) {
	now := s.config.Now()
	over, err := spanOf(r.URL.Query().Get("span"))
	if err != nil {
		return nil, err
	}
	for _, job := range s.config.Status().Jobs {
		if job.Job.Name() != r.PathValue("name") {
			continue
		}
		b := &targetBody{Span: spanLabel(over)}
		if b.Watch, err = s.watch(job, now); err != nil {
			return nil, err
		}
		c, err := s.course(job.Job, over, now)
		if err != nil {
			return nil, err
		}
		b.Plots, b.Points = c.plots(), len(c.points)
		for _, d := range spans {
			b.Spans = append(b.Spans, spanLink{spanLabel(d), "?span=" + spanQuery(d), d == over})
		}
		page, err := s.list(history.Query{Name: job.Job.Name(), Limit: 25})
		b.Calls = page.Calls
		return b, err
	}
	return nil, nil
}

// callsBody is the list of calls.
type callsBody struct {
	Calls    []history.Entry
	Names    []string
	Verdicts []probe.Verdict
	Name     string
	Verdict  string
	Older    string // address of the next page; empty: this is the last
	Filtered bool
	First    bool
}

func (s *Server) calls(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q, err := parseQuery(v, s.config.Now())
	if err != nil {
		s.fail(w, err)
		return
	}
	page, err := s.list(q)
	if err != nil {
		s.fail(w, err)
		return
	}
	b := callsBody{Calls: page.Calls, Name: q.Name, Verdict: v.Get("verdict"), First: q.Before == 0, Filtered: len(v) > 0,
		Verdicts: []probe.Verdict{probe.Good, probe.Degraded, probe.Failed, probe.Untrusted}}
	if s.config.History != nil {
		if b.Names, err = s.config.History.Names(); err != nil {
			s.fail(w, err)
			return
		}
	}
	if page.Next != 0 {
		v.Set("before", strconv.FormatUint(page.Next, 10))
		b.Older = "/calls?" + v.Encode()
	}
	s.show(w, http.StatusOK, "calls", "Calls", "calls", b)
}
