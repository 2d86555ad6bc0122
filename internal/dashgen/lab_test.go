//go:build peers

package dashgen

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/drill"
	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/internal/prometheustest"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
)

// watched is how long the lab runs before it is asked: the trend's own normal
// ends two minutes ago. Pictures show more of it.
func watched() time.Duration {
	if os.Getenv("PICTURES") != "" {
		return 6 * time.Minute
	}
	return 200 * time.Second
}

// window is the windows' length: with fewer of them trends know nothing yet.
func window() time.Duration {
	if os.Getenv("PICTURES") != "" {
		return 5 * time.Second
	}
	return time.Second
}

// lab is two sites with an agent each, the echoes that they call, and a
// Prometheus that reads the agents and evaluates the rules.
type lab struct {
	t               *testing.T
	dir, earshot    string
	good, bad, poor string // URLs of echoes
	prometheus      *prometheustest.Server
	ca              *signalingtest.CA // of the echo that goes bad
	paris           string            // address of the agent of Paris, which is its instance
}

func startLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), paris: prometheustest.FreeAddress(t)}
	l.earshot = filepath.Join(l.dir, "earshot")
	if out, err := exec.Command("go", "build", "-o", l.earshot, "../../cmd/earshot").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rules, err := filepath.Abs("../../dashboards/rules")
	if err != nil {
		t.Fatal(err)
	}
	lyon := prometheustest.FreeAddress(t)
	l.prometheus = prometheustest.New(t, fmt.Sprintf(`
global: {scrape_interval: 5s, evaluation_interval: 5s}
rule_files: ["%s/*.yml"]
scrape_configs: [{job_name: earshot, static_configs: [{targets: ["%s", "%s"]}]}]
`, rules, l.paris, lyon), "--enable-feature=native-histograms,exemplar-storage", "--log.level=warn")
	authority, certificate, key := l.certificates()
	l.good = l.echo("http", "--impair-up", "delay=18ms,jitter=2ms,seed=3", "--impair-down", "delay=18ms,jitter=2ms,seed=4")
	l.bad = l.echo("https", "--drill", "--tls-cert", certificate, "--tls-key", key)
	l.poor = l.echo("http", "--impair-up", "loss=12%,burst=3,jitter=15ms,delay=20ms,duplicate=2%,seed=1",
		"--impair-down", "loss=12%,burst=3,reorder=3%,hold=40ms,delay=20ms,seed=2")
	l.agent("paris", l.paris, fmt.Sprintf(`
  - {name: contact-centre, url: "%[1]s", mode: continuous, renew: 1m, ca_file: "%[4]s"}
  - {name: sip-trunk, url: "%[2]s", mode: continuous}
  - {name: branch-vpn, url: "%[3]s", mode: continuous, limits: {bad_mos: 3}}
  - {name: meeting-bridge, url: "%[2]s"}
  - {name: warehouse, url: "http://127.0.0.1:1/echo"}
`, l.bad, l.good, l.poor, authority))
	l.agent("lyon", lyon, fmt.Sprintf(`
  - {name: contact-centre, url: "%[1]s", mode: continuous}
  - {name: sip-trunk, url: "%[1]s", mode: continuous}
`, l.good))
	l.prometheus.Start()
	return l
}

// echo starts an echo and returns its URL.
func (l *lab) echo(scheme string, flags ...string) string {
	address := prometheustest.FreeAddress(l.t)
	l.run("echo-"+address, append([]string{"echo", "--listen", address}, flags...)...)
	prometheustest.Eventually(l.t, "an echo listens", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	})
	return scheme + "://" + address + "/echo"
}

func (l *lab) agent(site, address, targets string) {
	// The host is shared: nothing that it does itself makes a call untrusted here.
	path := filepath.Join(l.dir, site+".yml")
	write(l.t, path, fmt.Sprintf(`
site: %s
trust: {send_late: 10s, missed: 100%%}
defaults: {codec: pcmu, window: %s, duration: 3s, every: 10s}
budget: {parallel_calls: 50, bytes_per_day: 20GB}
history: {path: "%s"}
targets:%s`, site, window(), filepath.Join(l.dir, site), targets))
	l.run("agent-"+site, "agent", "--config", path, "--web.listen-address", address)
}

// certificates makes an authority and a server's certificate and key for
// loopback, good for 90 days, and returns their files.
func (l *lab) certificates() (authority, certificate, key string) {
	l.ca = signalingtest.NewCA(l.t)
	pair := l.ca.Issue(time.Now().Add(-time.Hour), time.Now().AddDate(0, 0, 90), "127.0.0.1")
	raw, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		l.t.Fatal(err)
	}
	file := func(name, kind string, der []byte) string {
		path := filepath.Join(l.dir, name)
		write(l.t, path, string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
		return path
	}
	return file("ca.pem", "CERTIFICATE", l.ca.Certificate.Raw), file("echo.pem", "CERTIFICATE", pair.Certificate[0]), file("echo.key", "PRIVATE KEY", raw)
}

// run starts earshot, which the test ends.
func (l *lab) run(name string, args ...string) {
	t := l.t
	t.Helper()
	log, err := os.Create(filepath.Join(l.dir, strings.ReplaceAll(name, ":", "-")+".log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(l.earshot, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		defer log.Close()
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			t.Errorf("%s ended early: %v\n%s", name, err, text)
			return
		default:
		}
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// worsens is what becomes of the uplink of Paris to the contact centre, by the
// share of the time that has passed.
var worsens = []struct {
	after float64
	up    string
}{
	{0, "delay=12ms,jitter=1ms"},
	{0.45, "delay=14ms,jitter=4ms,loss=1%"},
	{0.55, "delay=18ms,jitter=8ms,loss=3%,burst=2"},
	{0.65, "delay=25ms,jitter=12ms,loss=7%,burst=3,duplicate=1%"},
	{0.75, "delay=30ms,jitter=15ms,loss=14%,burst=4"},
}

// watch lets time pass while the uplink worsens, and returns its beginning and end.
func (l *lab) watch() (from, to time.Time) {
	from = time.Now().Truncate(time.Second)
	down, err := impair.Parse("delay=12ms,jitter=1ms")
	if err != nil {
		l.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: l.ca.Pool()}}}
	for _, step := range worsens {
		time.Sleep(time.Until(from.Add(time.Duration(step.after * float64(watched())))))
		up, err := impair.Parse(step.up)
		if err != nil {
			l.t.Fatal(err)
		}
		if err := (drill.Endpoint{URL: l.bad, Client: client}).Set(l.t.Context(), echo.Conditions{Up: up, Down: down}); err != nil {
			l.t.Fatal(err)
		}
	}
	time.Sleep(time.Until(from.Add(watched())))
	return from, from.Add(watched())
}
