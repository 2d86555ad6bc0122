//go:build peers

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/prometheustest"
)

// stage is a real agent with twenty targets, the echoes that it calls, and three
// Prometheuses: one that scrapes it with the example's configuration, one that
// does so with native histograms, and one that it pushes to.
type stage struct {
	t                        *testing.T
	dir, binary              string
	clean, impaired, secure  string // URLs of echoes
	web                      string // address of the agent
	scraping, native, pushed *prometheustest.Server
}

const pushInterval = 2 * time.Second

// setStage starts all but the agent.
func setStage(t *testing.T) *stage {
	s := &stage{t: t, dir: t.TempDir(), binary: os.Getenv("EARSHOT_BINARY"), web: prometheustest.FreeAddress(t)}
	if s.binary == "" {
		t.Fatal("EARSHOT_BINARY must name the binary to test")
	}
	s.clean = s.echo()
	s.impaired = s.echo("--impair-up", "loss=10%,seed=3", "--impair-down", "delay=80ms,seed=4")
	certificate, key := s.certificate(10 * 24 * time.Hour)
	s.secure = s.echo("--tls-cert", certificate, "--tls-key", key)
	s.pushed = prometheustest.New(t, read(t, filepath.Join(examples, "prometheus/receiver.yml")),
		"--web.enable-remote-write-receiver", "--enable-feature=native-histograms", "--query.max-samples=50000000")
	s.pushed.Start()

	scrape := read(t, filepath.Join(examples, "prometheus/prometheus.yml"))
	for _, edit := range [][2]string{
		{"scrape_interval: 15s", "scrape_interval: 2s"}, {"scrape_interval: 60s", "scrape_interval: 20s"}, {", \"probe-lyon.example.com:9725\"", ""},
		{"probe-paris.example.com:9725", s.web}, {"https://echo.example.com/echo", s.clean},
	} {
		if !strings.Contains(scrape, edit[0]) {
			t.Fatalf("the example has no %q", edit[0])
		}
		scrape = strings.ReplaceAll(scrape, edit[0], edit[1])
	}
	s.scraping = prometheustest.New(t, scrape)
	s.native = prometheustest.New(t, scrape, "--enable-feature=native-histograms")
	s.scraping.Start()
	s.native.Start()
	return s
}

// start runs our command until the test ends, and returns it.
func (s *stage) start(args ...string) *exec.Cmd {
	s.t.Helper()
	var log bytes.Buffer
	c := exec.Command(s.binary, args...)
	c.Stdout, c.Stderr = &log, &log
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Signal(syscall.SIGTERM)
			_ = c.Wait()
		}
		if s.t.Failed() {
			text := log.String()
			s.t.Logf("the end of the log of %v:\n%s", args, text[max(0, len(text)-3000):])
		}
	})
	return c
}

// echo starts an echo and returns its URL.
func (s *stage) echo(flags ...string) string {
	s.t.Helper()
	address := prometheustest.FreeAddress(s.t)
	s.start(append([]string{"echo", "--listen", address}, flags...)...)
	prometheustest.Eventually(s.t, "the echo listens", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	})
	if len(flags) > 0 && flags[0] == "--tls-cert" {
		return "https://" + address + "/echo"
	}
	return "http://" + address + "/echo"
}

// certificate makes a certificate for loopback that is its own authority.
func (s *stage) certificate(life time.Duration) (certificate, key string) {
	s.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(7), IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, private.Public(), private)
	if err != nil {
		s.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		s.t.Fatal(err)
	}
	certificate, key = filepath.Join(s.dir, "echo.pem"), filepath.Join(s.dir, "echo.key")
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	return certificate, key
}

// agent starts the agent: sixteen clean targets on schedule, and one each that
// loses a tenth of the uplink, that is behind TLS, that nobody answers at, and
// that is called without pause. The host is shared: nothing that it does itself
// makes a call bad or untrusted here.
func (s *stage) agent() *exec.Cmd {
	s.t.Helper()
	var config strings.Builder
	fmt.Fprintf(&config, `site: suite
defaults: {every: 10s, duration: 4s, window: 2s, codec: pcmu}
trust: {send_late: 10s, missed: 100%%}
limits: {bad_mos: 3.6, loss: 3%%, jitter: 10s, rtt: 10s}
budget: {parallel_calls: 50, bytes_per_day: 20GB}
history: {path: %[1]s/history}
modules:
  short: {duration: 2s, codec: pcmu, allow: ["http://127.0.0.1:*/echo"]}
remote_write:
  - name: suite
    url: %[2]s/api/v1/write
    interval: %[3]s
    native_histograms: true
    external_labels: {instance: probe}
    queue: {path: %[1]s/queue}
targets:
  - {name: lossy, url: %[4]s}
  - {name: secure, url: %[5]s, ca_file: %[1]s/echo.pem}
  - {name: refused, url: "http://%[6]s/echo"}
  - {name: lasting, url: %[7]s, mode: continuous}
`, s.dir, s.pushed.URL, pushInterval, s.impaired, s.secure, prometheustest.FreeAddress(s.t), s.clean)
	for i := range 16 {
		fmt.Fprintf(&config, "  - {name: clean-%02d, url: %s}\n", i, s.clean)
	}
	path := filepath.Join(s.dir, "earshot.yml")
	if err := os.WriteFile(path, []byte(config.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	c := s.start("agent", "--config", path, "--web.listen-address", s.web)
	prometheustest.Eventually(s.t, "the agent is ready", func() error {
		response, err := http.Get("http://" + s.web + "/-/ready")
		if err != nil {
			return err
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("status %s", response.Status)
		}
		return nil
	})
	return c
}

// exposition is what the agent shows to a scrape.
func (s *stage) exposition() string {
	s.t.Helper()
	response, err := http.Get("http://" + s.web + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// own is the value of one of the agent's own series.
func (s *stage) own(series string) float64 {
	s.t.Helper()
	for line := range strings.Lines(s.exposition()) {
		if value, is := strings.CutPrefix(line, series+" "); is {
			n, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				s.t.Fatal(err)
			}
			return n
		}
	}
	s.t.Fatalf("the agent does not show %s", series)
	return 0
}

// minutes is how long the whole run takes: EARSHOT_MINUTES, or two.
func minutes(t *testing.T) time.Duration {
	text := os.Getenv("EARSHOT_MINUTES")
	if text == "" {
		return 2 * time.Minute
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n < 1 {
		t.Fatalf("EARSHOT_MINUTES: %q is no number of minutes from 1 on", text)
	}
	return time.Duration(n * float64(time.Minute))
}
