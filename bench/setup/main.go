// Command setup measures how many round trips pass from the start of a call to
// the first echoed packet, step by step, at a round trip of 100 ms, and sets
// them beside the least that HTTP(S), ICE and DTLS 1.2 need. The same call with
// pion's defaults stands beside it.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/earshot-voip/earshot/bench/baseline"
	"github.com/earshot-voip/earshot/bench/internal/relay"
	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/impair"
	"github.com/earshot-voip/earshot/probe"
)

// oneWay is half of the round trip that everything is counted in.
const (
	oneWay    = 50 * time.Millisecond
	roundTrip = 2 * oneWay
)

func main() {
	rig.Bench{
		Name:  "setup",
		Title: "Set-up: round trips from the start to the first echoed packet",
		Run:   run,
	}.Main()
}

func run(ctx context.Context, o rig.Options, r *rig.Report) error {
	calls := rig.Pick(o, 10, 2)
	r.Text("All bytes are held up for %v each way between caller and echo: TCP and UDP by relays in user space. Times are in round "+
		"trips of %v, medians of %d calls (spread in parentheses). The round trip of the TCP handshake is "+
		"laid upon the first bytes that follow it, since the kernel of loopback answers at once.", oneWay, roundTrip, calls)
	for _, secure := range []bool{false, true} {
		scheme := "HTTP"
		if secure {
			scheme = "HTTPS"
		}
		if err := over(ctx, r, scheme, secure, calls); err != nil {
			return fmt.Errorf("over %s: %w", scheme, err)
		}
	}
	r.Text("%s", why)
	return nil
}

// over measures with one kind of signalling.
func over(ctx context.Context, r *rig.Report, scheme string, secure bool, calls int) error {
	scene, err := open(secure)
	if err != nil {
		return err
	}
	defer scene.close()

	rig.Progress("Earshot over %s", scheme)
	ours := make([]times, calls)
	if err := inParallel(calls, func(i int) error { return scene.earshot(ctx, &ours[i]) }); err != nil {
		return err
	}
	scene.watch(false)
	rig.Progress("pion's defaults over %s", scheme)
	theirs := make([]time.Duration, calls)
	if err := inParallel(calls, func(i int) (err error) {
		theirs[i], err = baseline.FirstMedia(ctx, scene.url, scene.roots)
		return err
	}); err != nil {
		return err
	}

	r.Section("Over " + scheme)
	var rows [][]string
	sum := 0.0
	for _, s := range steps(secure) {
		taken := column(ours, s.layer)
		rows = append(rows, []string{s.name, inRoundTrips(taken), fmt.Sprintf("%.0f", s.least), excess(taken, s.least)})
		sum += s.least
	}
	total := column(ours, first)
	rows = append(rows,
		[]string{"**start to first echoed packet**", inRoundTrips(total), fmt.Sprintf("%.0f", sum), excess(total, sum)},
		[]string{"the same call on pion's defaults", inRoundTrips(theirs), fmt.Sprintf("%.0f", sum), excess(theirs, sum)},
	)
	r.Table([]string{"step", "measured", "least", "over"}, rows)
	if over := trips(median(total)) - sum; over > 0.5 {
		r.Complain("over %s a call takes %.2f round trips more than it must", scheme, over)
	}
	r.Text("The packets of one such call, as the relay saw them; times in round trips since the first packet of media's path:")
	r.Listing(scene.ladder())
	return nil
}

// step is a row of the table: a layer's time and the least that it must take, in
// round trips.
type step struct {
	layer probe.Layer
	name  string
	least float64
}

// first stands for the way to the first echoed packet.
const first probe.Layer = "first"

func steps(secure bool) []step {
	signaling := []step{{probe.LayerSignaling, "TCP connect, then offer and answer", 2}}
	if secure {
		signaling = []step{{probe.LayerTLS, "TCP connect, then TLS 1.3", 2}, {probe.LayerSignaling, "offer and answer", 1}}
	}
	return slices.Concat(
		[]step{{probe.LayerGather, "gather", 0}},
		signaling,
		[]step{{probe.LayerICE, "ICE", 2}, {probe.LayerDTLS, "DTLS 1.2", 1}, {probe.LayerMedia, "media", 1}},
	)
}

// why explains the least of each step.
const why = `What the least is:

- gather: nothing, since without ICE servers nobody is asked;
- TCP: SYN and SYN-ACK; TLS 1.3: hello and answer; offer and answer: one request;
- ICE: two, of full agents at both ends with the caller behind a NAT (RFC 8445, 7.3.1.4 and 8.1.1). The check and its response are one; in the
  other the far end's own check comes back to it (it may not send before) while the caller's nomination is on its way. The far end's ClientHello
  travels back within it. An ice-lite far end that is nominated by the first check would need one, and could not notice that a caller is gone;
- DTLS 1.2: one at the caller, who is the server: from the ClientHello to the client's Finished, without a cookie, since ICE has shown
  whose address it is. As the client it would need two;
- media: a packet there and back.`

// times are those of one call's steps.
type times map[probe.Layer]time.Duration

func column(calls []times, layer probe.Layer) []time.Duration {
	values := make([]time.Duration, len(calls))
	for i, t := range calls {
		values[i] = t[layer]
	}
	return values
}

func median(values []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

func inRoundTrips(values []time.Duration) string {
	return fmt.Sprintf("%.2f (%.2f to %.2f)", trips(median(values)), trips(slices.Min(values)), trips(slices.Max(values)))
}

func excess(values []time.Duration, least float64) string {
	return fmt.Sprintf("%+.2f", trips(median(values))-least)
}

func trips(d time.Duration) float64 { return float64(d) / float64(roundTrip) }

// scene is an echo behind two relays.
type scene struct {
	echo  *rig.Echo
	udp   *relay.UDP
	tcp   *relay.TCP
	url   string
	roots *x509.CertPool

	mu      sync.Mutex
	watched bool
	events  []event
}

func open(secure bool) (s *scene, err error) {
	s = &scene{watched: true}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	path := impair.Schedule{{Profile: impair.Profile{Delay: oneWay}}}
	if s.udp, err = relay.NewUDP(relay.Config{Up: path, Down: path, Trace: s.note}); err != nil {
		return nil, err
	}
	config := rig.EchoConfig{Candidate: s.udp.Addr()}
	if secure {
		if config.Certificate, config.Key, s.roots, err = certificate(); err != nil {
			return nil, err
		}
	}
	if s.echo, err = rig.StartEcho(config); err != nil {
		return nil, err
	}
	s.udp.SetTarget(s.echo.Media)
	scheme, rest, _ := strings.Cut(s.echo.URL, "://")
	host, path2, _ := strings.Cut(rest, "/")
	if s.tcp, err = relay.NewTCP(host, oneWay); err != nil {
		return nil, err
	}
	s.url = scheme + "://" + s.tcp.Addr() + "/" + path2
	return s, nil
}

func (s *scene) close() {
	var errs error
	if s.tcp != nil {
		errs = errors.Join(errs, s.tcp.Close())
	}
	if s.echo != nil {
		errs = errors.Join(errs, s.echo.Stop())
	}
	if s.udp != nil {
		errs = errors.Join(errs, s.udp.Close())
	}
	if errs != nil {
		rig.Progress("close: %v", errs)
	}
}

// earshot places one call and notes its steps.
func (s *scene) earshot(ctx context.Context, t *times) error {
	result, err := probe.Run(ctx, probe.Target{URL: s.url, Codec: "pcmu", Duration: time.Second, RootCAs: s.roots})
	switch {
	case err != nil:
		return err
	case result.Failure != nil:
		return result.Failure
	}
	*t = times{first: result.FirstMedia}
	for _, step := range result.Steps {
		(*t)[step.Layer] = step.Took
		if step.Layer == probe.LayerMedia {
			(*t)[step.Layer] = result.FirstMedia - step.Start
		}
	}
	return nil
}

// inParallel runs f n times side by side, each a little after the one before:
// their packets do not meet, and pion's timers are met at different phases.
func inParallel(n int, f func(i int) error) error {
	errs := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() {
			time.Sleep(time.Duration(i) * 37 * time.Millisecond)
			errs[i] = f(i)
		})
	}
	running.Wait()
	return errors.Join(errs...)
}

// certificate makes one for loopback and the pool that trusts it.
func certificate() (cert, key []byte, roots *x509.CertPool, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "earshot bench"},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return nil, nil, nil, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, nil, err
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return cert, key, roots, nil
}
