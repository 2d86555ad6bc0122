package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Severities of alerts that people are told of.
const (
	critical = "critical" // wakes somebody
	warning  = "warning"
)

// notice is an alert that somebody was told of.
type notice struct {
	at                             time.Time
	alert, target, severity, layer string
}

func isPage(n notice) bool    { return n.severity == critical }
func isWarning(n notice) bool { return n.severity == warning }
func isTold(n notice) bool    { return isPage(n) || isWarning(n) }

// pager is the webhook at the end of the chain, for all receivers. It keeps what
// arrives.
type pager struct {
	mu      sync.Mutex
	notices []notice
}

// ServeHTTP takes a notification of Alertmanager, webhook version 4.
func (p *pager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at := time.Now()
	var notification struct {
		Alerts []struct {
			Status string            `json:"status"`
			Labels map[string]string `json:"labels"`
		} `json:"alerts"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<20)).Decode(&notification); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range notification.Alerts {
		if a.Status == "firing" {
			p.notices = append(p.notices, notice{at, a.Labels["alertname"], a.Labels["target"], a.Labels["severity"], a.Labels["layer"]})
		}
	}
}

// first returns the first notice of a kind about each of the targets since a time.
func (p *pager) first(targets []string, since time.Time, kind func(notice) bool) map[string]notice {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := map[string]notice{}
	for _, one := range p.notices {
		if _, known := first[one.target]; !known && kind(one) && !one.at.Before(since) && slices.Contains(targets, one.target) {
			first[one.target] = one
		}
	}
	return first
}

// before returns the notices of a kind about the targets that came before a time.
func (p *pager) before(targets []string, until time.Time, kind func(notice) bool) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, one := range p.notices {
		if kind(one) && one.at.Before(until) && slices.Contains(targets, one.target) {
			list = append(list, one.alert+" of "+one.target)
		}
	}
	return list
}
