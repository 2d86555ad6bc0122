package config

import "net/url"

// RemoteWrite is a receiver that metrics are pushed to.
type RemoteWrite struct {
	URL string `yaml:"url"`
}

// check reports what is wrong with one entry.
func (r *RemoteWrite) check(p place) {
	u, err := url.Parse(r.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		p.problem("url", "must be an http or https URL")
	}
}
