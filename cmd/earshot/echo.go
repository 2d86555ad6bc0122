package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/impair"
)

// echoFlags are the flags of earshot echo as given.
type echoFlags struct {
	listen, path, media, publicAddress string
	tlsCert, tlsKey, tokenFile         string
	maxCalls, maxCallsPerAddress       int
	maxDuration                        time.Duration
	iceServers                         []string
	iceUsername, icePasswordFile       string
	impairUp, impairDown               string
	noStamps, drill                    bool
	ledger                             string
	ledgerPackets                      int
	verbose                            int
}

// echoCommand is earshot echo: the endpoint that calls are placed to.
func echoCommand() *cobra.Command {
	var f echoFlags
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Serve the echo endpoint",
		Long: `Serve the echo endpoint: it answers WebRTC calls in WHIP's wire form (RFC 9725),
sends back every packet and stamps it with what the way here did to it. All media
uses one UDP port. Nothing is sent back before ICE consent and DTLS.

--impair-up and --impair-down impair what arrives and what is sent, on purpose
and from a seed; --ledger says for each call what exactly was done, to check a
probe against the truth.`,
		Example: `  earshot echo
  earshot echo --listen :8443 --tls-cert cert.pem --tls-key key.pem --token-file token
  earshot echo --impair-down loss=2%,burst=2,seed=1 --ledger -`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.listen, "listen", "127.0.0.1:8443", "address and TCP port of the signalling; port 0 takes a free one")
	fs.StringVar(&f.path, "path", "/echo", "path of the endpoint")
	fs.StringVar(&f.media, "media", "", "address and UDP port of all media (default: the address of --listen, a free port)")
	fs.StringVar(&f.publicAddress, "public-address", "", "address to offer to callers, when this host is behind a one-to-one NAT")
	fs.StringVar(&f.tlsCert, "tls-cert", "", "PEM file with the certificate chain: serve HTTPS")
	fs.StringVar(&f.tlsKey, "tls-key", "", "PEM file with the certificate's key")
	fs.StringVar(&f.tokenFile, "token-file", "", "file with the bearer token that callers must have (or EARSHOT_TOKEN)")
	fs.IntVar(&f.maxCalls, "max-calls", 1000, "most calls at once")
	fs.IntVar(&f.maxCallsPerAddress, "max-calls-per-address", 0, "most calls at once from one address (default: --max-calls)")
	fs.DurationVar(&f.maxDuration, "max-duration", 2*time.Hour, "longest call")
	fs.StringArrayVar(&f.iceServers, "ice-server", nil, "STUN or TURN server to tell to callers; may be repeated")
	fs.StringVar(&f.iceUsername, "ice-username", "", "username at the TURN servers, told to callers")
	fs.StringVar(&f.icePasswordFile, "ice-password-file", "", "file with the password at the TURN servers, told to callers (or EARSHOT_ICE_PASSWORD)")
	fs.StringVar(&f.impairUp, "impair-up", "", "what to do to media that arrives: loss=3%,burst=4,delay=80ms,jitter=20ms,seed=7")
	fs.StringVar(&f.impairDown, "impair-down", "", "what to do to media that is sent")
	fs.StringVar(&f.ledger, "ledger", "", "file to append one JSON line to for each call, - for standard output")
	fs.IntVar(&f.ledgerPackets, "ledger-packets", 0, "packets of each direction that a ledger lists one by one")
	fs.BoolVar(&f.noStamps, "no-stamps", false, "be a plain reflector, as other echoes are")
	fs.BoolVar(&f.drill, "drill", false, "let earshot drill change what is done to running calls; needs a token beyond loopback")
	fs.CountVarP(&f.verbose, "verbose", "v", "log to standard error; twice for more")
	return cmd
}

// run serves until a signal ends it.
func (f *echoFlags) run(cmd *cobra.Command) error {
	var wrong problems
	config := f.config(&wrong)
	secure, err := serverTLS(f.tlsCert, f.tlsKey)
	wrong.add("--tls-cert", err)
	if err := wrong.usage("earshot echo --help explains the flags"); err != nil {
		return err
	}
	config.Log = newLog(cmd.ErrOrStderr(), f.verbose)
	book, err := openLedger(f.ledger, cmd.OutOrStdout())
	if err != nil {
		return usage(fmt.Errorf("--ledger: %w", err), "--ledger takes a file that can be written, or - for standard output")
	}
	config.OnEnd = book.enter

	ctx, stop := interruptible(cmd.Context())
	defer stop()
	e, err := serveEcho(config, f.listen, secure)
	if err != nil {
		return exitError{exitFailed, withHint(err, "choose another port with --listen or --media; port 0 takes a free one")}
	}
	w := cmd.ErrOrStderr()
	fmt.Fprintf(w, "listening on %s, media on udp %v\n", e.url, e.echo.MediaAddr())
	if config.Token == "" && !loopback(e.echo.MediaAddr()) {
		fmt.Fprintln(w, "note: whoever reaches this port can place calls; --token-file asks for a token")
	}
	select {
	case <-ctx.Done():
		fmt.Fprintf(w, "ending; calls running: %d\n", e.echo.Calls())
		err = e.close()
	case err = <-e.done:
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		err = errors.Join(err, e.close())
	}
	if err = errors.Join(err, book.close()); err != nil {
		return exitError{exitFailed, err}
	}
	return nil
}

// config reads what the flags say of the endpoint itself.
func (f *echoFlags) config(wrong *problems) echo.Config {
	config := echo.Config{
		Path:     f.path,
		MaxCalls: f.maxCalls, MaxCallsPerHost: cmp.Or(f.maxCallsPerAddress, f.maxCalls),
		MaxDuration: f.maxDuration,
		NoStamps:    f.noStamps,
		Drill:       f.drill,
		Recorded:    f.ledgerPackets,
	}
	if _, _, err := net.SplitHostPort(f.listen); err != nil {
		wrong.add("--listen", fmt.Errorf("%q is not an address and a port, like 127.0.0.1:8443", f.listen))
	}
	var err error
	if f.media != "" {
		config.Media, err = parseMedia(f.media)
		wrong.add("--media", err)
	}
	if f.publicAddress != "" {
		config.PublicAddress, err = netip.ParseAddr(f.publicAddress)
		wrong.add("--public-address", err)
	}
	config.Token, err = secret(f.tokenFile, "EARSHOT_TOKEN")
	wrong.add("--token-file", err)
	password, err := secret(f.icePasswordFile, "EARSHOT_ICE_PASSWORD")
	wrong.add("--ice-password-file", err)
	for _, url := range f.iceServers {
		config.ICEServers = append(config.ICEServers, iceserver.Server(iceServer(url, f.iceUsername, password)))
	}
	config.Up, err = parseImpairment(f.impairUp)
	wrong.add("--impair-up", err)
	config.Down, err = parseImpairment(f.impairDown)
	wrong.add("--impair-down", err)
	if f.drill {
		wrong.add("--drill", f.drillProblem(config.Token))
	}
	for _, n := range []struct {
		flag  string
		value int64
		least int64
	}{
		{"--max-calls", int64(f.maxCalls), 1},
		{"--max-calls-per-address", int64(f.maxCallsPerAddress), 0},
		{"--max-duration", int64(f.maxDuration / time.Second), 1},
		{"--ledger-packets", int64(f.ledgerPackets), 0},
	} {
		if n.value < n.least {
			wrong.add(n.flag, fmt.Errorf("must be at least %d, is %d", n.least, n.value))
		}
	}
	return config
}

// drillProblem says why this endpoint cannot be for drills.
func (f *echoFlags) drillProblem(token string) error {
	if f.impairUp != "" || f.impairDown != "" {
		return errors.New("the drill says what is impaired; hint: leave out --impair-up and --impair-down")
	}
	host, _, _ := net.SplitHostPort(f.listen)
	at, err := netip.ParseAddr(host)
	if token == "" && (err != nil || !at.IsLoopback()) {
		return errors.New("whoever reaches this address could break its calls; hint: give --token-file, or listen on 127.0.0.1")
	}
	return nil
}

// parseMedia reads "192.0.2.7:40000", or ":40000" for the signalling's address.
func parseMedia(text string) (netip.AddrPort, error) {
	host, port, err := net.SplitHostPort(text)
	if err == nil && host == "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err == nil {
			return netip.AddrPortFrom(netip.Addr{}, uint16(n)), nil
		}
	}
	at, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an IP address and a port, like 192.0.2.7:40000", text)
	}
	return at, nil
}

// parseImpairment reads the text form; nil without one.
func parseImpairment(text string) (impair.Schedule, error) {
	if text == "" {
		return nil, nil
	}
	return impair.ParseSchedule(text)
}

func loopback(at netip.AddrPort) bool { return at.Addr().IsLoopback() }

// ledger writes a line for each finished call. It is safe for concurrent use.
type ledger struct {
	mu   sync.Mutex
	w    io.Writer // nil: nobody asked
	file *os.File  // nil unless w is a file of ours
	err  error     // the first that writing had
}

// openLedger opens a file for appending, or takes stdout for "-".
func openLedger(name string, stdout io.Writer) (*ledger, error) {
	switch name {
	case "":
		return &ledger{}, nil
	case "-":
		return &ledger{w: stdout}, nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	return &ledger{w: file, file: file}, nil
}

func (l *ledger) enter(c echo.Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w == nil {
		return
	}
	if err := json.NewEncoder(l.w).Encode(c); err != nil && l.err == nil {
		l.err = fmt.Errorf("write the ledger: %w", err)
	}
}

func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.w = nil
	if l.file == nil {
		return l.err
	}
	return errors.Join(l.err, l.file.Close())
}
