package config

import (
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/remotewrite"
)

// remoteWrite is one entry of remote_write: a receiver that metrics are pushed
// to.
type remoteWrite struct {
	Name             string            `yaml:"name,omitempty"`
	URL              string            `yaml:"url"`
	Interval         Duration          `yaml:"interval,omitempty"`
	Timeout          Duration          `yaml:"timeout,omitempty"`
	Protocol         string            `yaml:"protocol,omitempty"`
	NativeHistograms bool              `yaml:"native_histograms,omitempty"`
	Exemplars        bool              `yaml:"exemplars,omitempty"`
	ExternalLabels   map[string]string `yaml:"external_labels,omitempty"`
	Headers          map[string]string `yaml:"headers,omitempty"`
	Username         string            `yaml:"username,omitempty"`
	PasswordFile     string            `yaml:"password_file,omitempty"`
	TokenFile        string            `yaml:"token_file,omitempty"`
	CAFile           string            `yaml:"ca_file,omitempty"`
	CertFile         string            `yaml:"cert_file,omitempty"`
	KeyFile          string            `yaml:"key_file,omitempty"`
	ServerName       string            `yaml:"server_name,omitempty"`
	Queue            queue             `yaml:"queue,omitempty"`
}

// queue is where samples wait for the receiver.
type queue struct {
	Path    string `yaml:"path,omitempty"` // folder; empty: in memory, lost at the end
	MaxSize Size   `yaml:"max_size,omitempty"`
}

const minInterval = time.Second

// options turns an entry into what the agent pushes with. What is wrong with it
// is noted at its place.
func (r *remoteWrite) options(p place, site string) remotewrite.Options {
	o := remotewrite.Options{
		Name: r.Name, URL: r.URL,
		Interval: r.Interval.Duration, Timeout: r.Timeout.Duration,
		Protocol:         remotewrite.Protocol(r.Protocol),
		NativeHistograms: r.NativeHistograms, Exemplars: r.Exemplars,
		ExternalLabels: r.labels(site), Headers: r.Headers,
		Username: r.Username, TLSServerName: r.ServerName,
		PasswordFile: p.named("password_file", r.PasswordFile), TokenFile: p.named("token_file", r.TokenFile),
		CAFile: p.named("ca_file", r.CAFile), CertFile: p.named("cert_file", r.CertFile), KeyFile: p.named("key_file", r.KeyFile),
		QueueBytes: int64(r.Queue.MaxSize),
	}
	if r.Queue.Path != "" {
		o.QueueDir = relative(p.doc.file, r.Queue.Path)
	}
	r.check(p, o)
	return o.WithDefaults()
}

// labels are the external labels with those that a scrape would add.
func (r *remoteWrite) labels(site string) map[string]string {
	labels := map[string]string{"job": "earshot"}
	if host, err := os.Hostname(); err == nil {
		labels["instance"] = host
	}
	if site != "" {
		labels["site"] = site
	}
	maps.Copy(labels, r.ExternalLabels)
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}

func (r *remoteWrite) check(p place, o remotewrite.Options) {
	for _, name := range slices.Sorted(maps.Keys(o.ExternalLabels)) {
		if !remotewrite.LabelName.MatchString(name) {
			p.under("external_labels").problem(name, "cannot be the name of a label; hint: use letters, digits and _, and do not begin with __")
			delete(o.ExternalLabels, name)
		}
	}
	switch {
	case r.Username != "" && r.PasswordFile == "":
		p.problem("username", "needs password_file beside it")
	case r.Username == "" && r.PasswordFile != "":
		p.problem("password_file", "needs username beside it")
	case r.Username != "" && r.TokenFile != "":
		p.problem("token_file", "cannot be given beside username; hint: keep one of the two")
	}
	if (r.CertFile == "") != (r.KeyFile == "") {
		p.problem("cert_file", "cert_file and key_file belong together")
	}
	if o.Interval != 0 && o.Interval < minInterval {
		p.problem("interval", "must be at least %s, is %s", short(minInterval), short(o.Interval))
	}
	if o.QueueBytes != 0 && o.QueueBytes < remotewrite.MinQueueBytes {
		p.under("queue").problem("max_size", "must be at least %s", about(remotewrite.MinQueueBytes))
		o.QueueBytes = 0
	}
	if err := o.Validate(); err != nil {
		key := "url"
		if strings.HasPrefix(err.Error(), "unknown protocol") {
			key = "protocol"
		}
		p.problem(key, "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
}

// named returns where a file is that a key names, and sees that it can be read.
func (p place) named(key, name string) string {
	if name == "" {
		return ""
	}
	if _, err := p.read(key, name); err != nil {
		p.problem(key, "%v", err)
	}
	return relative(p.doc.file, name)
}

// remoteWrites turns the entries of remote_write into options. They must not
// share a name, which is a label of their metrics, nor a queue.
func (r *reading) remoteWrites(top place) []remotewrite.Options {
	var all []remotewrite.Options
	for i := range r.file.RemoteWrite {
		p := top.index("remote_write", i)
		o := r.file.RemoteWrite[i].options(p, r.file.Site)
		for before, other := range all {
			if o.Name == other.Name && o.Name != "" {
				p.problem("name", "%q is the name of remote_write[%d] too; hint: give each a name of its own", o.Name, before)
			}
			if o.QueueDir == other.QueueDir && o.QueueDir != "" {
				p.under("queue").problem("path", "is that of remote_write[%d] too; hint: give each a folder of its own", before)
			}
		}
		all = append(all, o)
	}
	return all
}

// fill puts what the options came to in place of what was given. The values of
// headers are not shown: some receivers take keys in them.
func (r *remoteWrite) fill(o remotewrite.Options) {
	r.Name, r.URL = o.Name, harmless(o.URL)
	r.Interval.Duration, r.Timeout.Duration = o.Interval, o.Timeout
	r.ExternalLabels = o.ExternalLabels
	if r.Headers = maps.Clone(r.Headers); r.Headers != nil {
		for name := range r.Headers {
			r.Headers[name] = "…"
		}
	}
	r.Queue.MaxSize = Size(o.QueueBytes)
}
