package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// page is an alert that somebody was woken for.
type page struct {
	at            time.Time
	alert, target string
}

// pager is the webhook at the end of the chain. It keeps what arrives at /pager.
type pager struct {
	mu    sync.Mutex
	pages []page
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
	if !strings.HasPrefix(r.URL.Path, "/pager") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range notification.Alerts {
		if a.Status == "firing" && a.Labels["severity"] == "critical" {
			p.pages = append(p.pages, page{at, a.Labels["alertname"], a.Labels["target"]})
		}
	}
}

// of returns the first page about each of the targets since a time.
func (p *pager) of(targets []string, since time.Time) map[string]page {
	p.mu.Lock()
	defer p.mu.Unlock()
	first := map[string]page{}
	for _, one := range p.pages {
		if _, known := first[one.target]; !known && !one.at.Before(since) && slices.Contains(targets, one.target) {
			first[one.target] = one
		}
	}
	return first
}

// outside returns the pages that came before the first incident of their target.
func (p *pager) outside(scenes []*incident) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, one := range p.pages {
		for _, scene := range scenes {
			if slices.Contains(scene.targets, one.target) && one.at.Before(scene.first) {
				list = append(list, one.alert+" of "+one.target)
			}
		}
	}
	return list
}
