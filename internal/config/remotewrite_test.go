package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/remotewrite"
)

const someTarget = "targets: [{name: echo, url: http://192.0.2.1/echo}]\n"

func TestRemoteWriteIsRead(t *testing.T) {
	dir := write(t, map[string]string{
		"password": "hunter2\n", "ca.pem": "certificates",
		"earshot.yml": someTarget + `
site: paris
remote_write:
  - url: https://prometheus.example.com/api/v1/write
  - name: tenant
    url: https://metrics.example.com/push?key=hunter2
    interval: 30s
    timeout: 10s
    protocol: 2.0
    native_histograms: true
    exemplars: true
    external_labels: {instance: probe-7, job: "", region: eu}
    headers: {X-Scope-OrgID: voice}
    username: probe
    password_file: password
    ca_file: ca.pem
    server_name: metrics
    queue: {path: queue, max_size: 64MiB}
`})
	c, err := NewSource(dir + "/earshot.yml").Load()
	if err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	want := []remotewrite.Options{
		{
			Name: "prometheus.example.com", URL: "https://prometheus.example.com/api/v1/write",
			Interval: 15 * time.Second, Timeout: 30 * time.Second, Grace: 5 * time.Second,
			MinRetry: time.Second, MaxRetry: time.Minute, SamplesPerSend: 2000, QueueBytes: 32 << 20,
			ExternalLabels: map[string]string{"job": "earshot", "instance": host, "site": "paris"},
		},
		{
			Name: "tenant", URL: "https://metrics.example.com/push?key=hunter2",
			Interval: 30 * time.Second, Timeout: 10 * time.Second, Grace: 5 * time.Second,
			MinRetry: time.Second, MaxRetry: time.Minute, SamplesPerSend: 2000, QueueBytes: 64 << 20,
			Protocol: remotewrite.Version2, NativeHistograms: true, Exemplars: true,
			ExternalLabels: map[string]string{"instance": "probe-7", "site": "paris", "region": "eu"},
			Headers:        map[string]string{"X-Scope-OrgID": "voice"},
			Username:       "probe", PasswordFile: dir + "/password", CAFile: dir + "/ca.pem", TLSServerName: "metrics",
			QueueDir: dir + "/queue",
		},
	}
	if !reflect.DeepEqual(c.RemoteWrite, want) {
		t.Errorf("got  %+v\nwant %+v", c.RemoteWrite, want)
	}
	shown := string(c.Render())
	for _, must := range []string{"region: eu", "password_file: password", "interval: 15s", "X-Scope-OrgID: …"} {
		if !strings.Contains(shown, must) {
			t.Errorf("%q is missing in what is shown:\n%s", must, shown)
		}
	}
	if strings.Contains(shown, "hunter2") || strings.Contains(shown, "voice") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
}

func TestRemoteWriteThatCannotWork(t *testing.T) {
	got := problemsOf(t, map[string]string{"token": "", "earshot.yml": someTarget + `remote_write:
- url: https://user:hunter2@host/write
- url: prometheus:9090
- url: http://a/
  password_file: token
- url: http://b/
  username: probe
- url: http://c/
  cert_file: token
- url: http://d/
  protocol: 3
- url: http://e/
  interval: 100ms
- url: http://f/
  external_labels: {site-name: x}
- url: http://g/
  queue: {max_size: 1kB}
- url: http://h/
  queue: {path: q}
- url: http://h/
  queue: {path: ./q}
- url: http://i/
  remote_timeout: 3s
- url: http://j/
  ca_file: missing
`})
	checkProblems(t, got, []string{
		"earshot.yml:3: remote_write[0].url: the URL holds a user name; hint: give username and password_file",
		"earshot.yml:4: remote_write[1].url: not a URL of a receiver",
		"earshot.yml:6: remote_write[2].password_file: needs username beside it",
		"earshot.yml:8: remote_write[3].username: needs password_file beside it",
		"earshot.yml:10: remote_write[4].cert_file: cert_file and key_file belong together",
		`earshot.yml:12: remote_write[5].protocol: unknown protocol "3"; hint: leave it out, or write 1.0 or 2.0`,
		"earshot.yml:14: remote_write[6].interval: must be at least 1s, is 100ms",
		"earshot.yml:16: remote_write[7].external_labels.site-name: cannot be the name of a label",
		"earshot.yml:18: remote_write[8].queue.max_size: must be at least 1.05 MB",
		`earshot.yml:21: remote_write[10].name: "h" is the name of remote_write[9] too`,
		"earshot.yml:22: remote_write[10].queue.path: is that of remote_write[9] too",
		"earshot.yml:24: remote_write[11].remote_timeout: unknown key",
		"earshot.yml:26: remote_write[12].ca_file: open missing: no such file",
	})
	if strings.Contains(strings.Join(got, ""), "hunter2") {
		t.Errorf("a secret is shown: %v", got)
	}
}
