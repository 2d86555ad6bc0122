package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/media"
	"github.com/earshot-voip/earshot/internal/report"
	"github.com/earshot-voip/earshot/probe"
)

// trust is what a call may do wrong itself and still be judged: the defaults. It
// is not a flag, since who widens it is told of a network that may be this host.
var trust probe.Trust

// callFlags are the flags of earshot call as given.
type callFlags struct {
	name, site, codec, output, dscp, relay     string
	duration, window, timeout                  time.Duration
	iceServers                                 []string
	iceUsername, icePasswordFile               string
	via, username, passwordFile                string
	register, codecOnly                        bool
	tokenFile, caFile, localAddress, limitLoss string
	badMOS                                     float64
	limitJitter, limitRTT                      time.Duration
	comparePaths                               bool
	verbose                                    int
}

// callCommand is earshot call: one test call.
func callCommand() *cobra.Command {
	var f callFlags
	cmd := &cobra.Command{
		Use:   "call [TARGET]",
		Short: "Place one test call and say what it found",
		Long: `Place one test call to an echo, layer by layer, and say what the network did to
its packets in each direction.

TARGET is the URL of an HTTP(S) offer/answer endpoint (WHIP, RFC 9725), such as
earshot echo serves, or a SIP address behind a WebSocket server (RFC 7118), which
--via names. Without TARGET the echo runs inside this process: that call shows
what this host alone does to a call.

With --compare-paths the same call is placed directly and through each TURN
server given with --ice-server (UDP, TCP, TLS), one after the other.

Exit codes: 0 good, 1 degraded, 2 failed, 3 untrusted (this host could not
measure), 64 wrong usage. With --compare-paths they are those of the best path:
2 means that no path carries a call.`,
		Example: `  earshot call
  earshot call https://echo.example.com/echo --token-file token --duration 30s
  earshot call http://192.0.2.7:8443/echo --codec pcmu --output json
  earshot call sip:600@pbx.example.com --via wss://pbx.example.com:8089/ws \
      --username probe --password-file pbx.password
  earshot call https://echo.example.com/echo --relay only \
      --ice-server turn:turn.example.com:3478 --ice-username probe --ice-password-file turn.password
  earshot call https://echo.example.com/echo --compare-paths --ice-username probe --ice-password-file turn.password \
      --ice-server turn:turn.example.com --ice-server 'turn:turn.example.com?transport=tcp' --ice-server turns:turn.example.com`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usage(fmt.Errorf("unexpected argument %q", args[1]), "earshot call takes one target")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.DurationVarP(&f.duration, "duration", "d", 10*time.Second, "how long to send media")
	fs.StringVar(&f.codec, "codec", "opus", "the codec to be offered first: pcmu, pcma or opus")
	fs.BoolVar(&f.codecOnly, "codec-only", false, "offer no other codec")
	outputFlag(cmd, &f.output)
	fs.StringVar(&f.tokenFile, "token-file", "", "file with the bearer token of the signalling (or EARSHOT_TOKEN)")
	fs.StringVar(&f.via, "via", "", "WebSocket server of a SIP target, wss://host:port/path")
	fs.StringVar(&f.username, "username", "", "username at the SIP server")
	fs.StringVar(&f.passwordFile, "password-file", "", "file with the password at the SIP server, or the API secret of a Janus gateway (or EARSHOT_PASSWORD)")
	fs.BoolVar(&f.register, "register", false, "register with the SIP server for the time of the call")
	fs.StringVar(&f.caFile, "ca-file", "", "PEM file with the authorities to trust in place of the system's")
	fs.StringArrayVar(&f.iceServers, "ice-server", nil, "STUN or TURN server, turn:host:port?transport=udp; may be repeated")
	fs.StringVar(&f.iceUsername, "ice-username", "", "username at the TURN servers")
	fs.StringVar(&f.icePasswordFile, "ice-password-file", "", "file with the password at the TURN servers (or EARSHOT_ICE_PASSWORD)")
	fs.StringVar(&f.relay, "relay", "auto", "whether media goes through a TURN server: auto, only or never")
	fs.BoolVar(&f.comparePaths, "compare-paths", false, "place the call over each path in turn: direct, and by each TURN server; say which is best")
	fs.StringVar(&f.localAddress, "local-address", "", "the only address of this host to use")
	fs.StringVar(&f.dscp, "dscp", "ef", "DSCP mark of media: ef, af41, cs0, or 0 to 63")
	fs.DurationVar(&f.window, "window", 5*time.Second, "length of the stretches that are scored on their own")
	fs.DurationVar(&f.timeout, "timeout", 0, "longest time for the whole call (default: what its steps may take)")
	fs.Float64Var(&f.badMOS, "bad-mos", 3.6, "degraded below this MOS")
	fs.StringVar(&f.limitLoss, "limit-loss", "3%", "degraded above this loss")
	fs.DurationVar(&f.limitJitter, "limit-jitter", 30*time.Millisecond, "degraded above this mean jitter")
	fs.DurationVar(&f.limitRTT, "limit-rtt", 400*time.Millisecond, "degraded above this median round trip")
	fs.StringVar(&f.name, "name", "", "what the report calls the target (default: its host)")
	fs.StringVar(&f.site, "site", "", "what the report calls this place")
	fs.CountVarP(&f.verbose, "verbose", "v", "log to standard error; twice for more")
	completeWith(cmd, "codec", media.Names()...)
	completeWith(cmd, "relay", string(probe.RelayAuto), string(probe.RelayOnly), string(probe.RelayNever))
	return cmd
}

// run places the call and reports it.
func (f *callFlags) run(cmd *cobra.Command, args []string) error {
	target, err := f.target(cmd, args)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()

	logs := &holdBack{w: cmd.ErrOrStderr()}
	defer logs.release()
	target.Log = newLog(logs, f.verbose)
	if target.URL == "" {
		e, err := embeddedEcho(&target)
		if err != nil {
			return exitError{exitFailed, withHint(fmt.Errorf("start the echo in this process: %w", err), "check --local-address")}
		}
		defer func() {
			if err := e.close(); err != nil {
				target.Log.Warn("the echo in this process did not end well", "error", err)
			}
		}()
	}
	if f.comparePaths {
		return f.compare(ctx, cmd, target, logs)
	}
	result, err := f.place(ctx, cmd.ErrOrStderr(), target, logs)
	if err != nil {
		return exitError{exitFailed, withHint(err, "this is a defect of earshot; please report it")}
	}
	if err := f.write(cmd.OutOrStdout(), result); err != nil {
		return writeOut(err)
	}
	if code := report.ExitCode(result); code != 0 {
		return exitError{code: code}
	}
	return nil
}

// embeddedEcho serves the echo that the target means without a URL, and points
// the target at it.
func embeddedEcho(t *probe.Target) (*endpoint, error) {
	host := netip.MustParseAddr("127.0.0.1")
	if t.LocalAddress.IsValid() {
		host = t.LocalAddress
	}
	e, err := serveEcho(echo.Config{Path: "/echo", Token: t.Token, Log: t.Log}, netip.AddrPortFrom(host, 0).String(), nil)
	if err != nil {
		return nil, err
	}
	t.URL = e.url
	if t.Name == "" {
		t.Name = "embedded echo"
	}
	return e, nil
}

// place runs the call, shown live when standard error is a terminal and no logs
// were asked for.
func (f *callFlags) place(ctx context.Context, w io.Writer, target probe.Target, logs *holdBack) (*probe.Result, error) {
	fd, ok := terminal(w)
	if !ok || f.verbose > 0 {
		logs.release()
		return probe.Run(ctx, target)
	}
	live := report.NewLive(w, displayOptions(w), target.Duration, func() (width, height int) {
		if width, height, err := term.GetSize(fd); err == nil {
			return width, height
		}
		return 80, 24
	})
	defer live.Close()
	target.OnStep, target.OnLive = live.Step, live.Glimpse
	return probe.Run(ctx, target)
}

func (f *callFlags) write(w io.Writer, r *probe.Result) error {
	if f.output == "json" {
		return report.JSON(w, r)
	}
	return report.Text(w, r, displayOptions(w))
}

// target turns the flags into what to call. Every problem with them is in the
// error.
func (f *callFlags) target(cmd *cobra.Command, args []string) (probe.Target, error) {
	var wrong problems
	t := probe.Target{
		Name: f.name, Site: f.site, Codec: f.codec, CodecOnly: f.codecOnly,
		Duration: f.duration, Window: f.window, Timeout: f.timeout,
		Relay: probe.Relay(f.relay), DSCP: probe.DSCP(f.dscp),
		Limits:    probe.Limits{BadMOS: f.badMOS, Jitter: f.limitJitter, RTT: f.limitRTT},
		Trust:     trust,
		UserAgent: "earshot/" + readBuild().Version,
	}
	if len(args) > 0 {
		t.URL = args[0]
	}
	var err error
	t.Token, err = secret(f.tokenFile, "EARSHOT_TOKEN")
	wrong.add("--token-file", err)
	t.RootCAs, err = authorities(f.caFile)
	wrong.add("--ca-file", err)
	t.Via, t.Username, t.Register = f.via, f.username, f.register
	if t.Username != "" || f.passwordFile != "" { // the environment's may be for other calls
		t.Password, err = secret(f.passwordFile, "EARSHOT_PASSWORD")
		wrong.add("--password-file", err)
	}
	password, err := secret(f.icePasswordFile, "EARSHOT_ICE_PASSWORD")
	wrong.add("--ice-password-file", err)
	for _, url := range f.iceServers {
		t.ICEServers = append(t.ICEServers, iceServer(url, f.iceUsername, password))
	}
	if f.localAddress != "" {
		t.LocalAddress, err = netip.ParseAddr(f.localAddress)
		wrong.add("--local-address", err)
	}
	t.Limits.Loss, err = parseRatio(f.limitLoss)
	wrong.add("--limit-loss", err)
	wrong.add("--output", checkOutput(f.output))
	if f.comparePaths && cmd.Flags().Changed("relay") {
		wrong.add("--relay", errors.New("means nothing with --compare-paths, which tries every path"))
	}
	for _, name := range []string{"duration", "window", "timeout", "bad-mos", "limit-jitter", "limit-rtt"} {
		// Zero is how a target says "default"; a person who types it means something else.
		if flag := cmd.Flags().Lookup(name); flag.Changed && (flag.Value.String() == "0s" || flag.Value.String() == "0") {
			wrong.add("--"+name, errors.New("must be more than 0"))
		}
	}
	wrong = append(wrong, targetProblems(t, len(args) > 0)...)
	return t, wrong.usage("earshot call --help explains the flags")
}

func iceServer(url, username, password string) probe.ICEServer {
	s := probe.ICEServer{URL: url}
	if strings.HasPrefix(strings.ToLower(url), "turn") {
		s.Username, s.Password = username, password
	}
	return s
}

// flagOf is which flag sets a field of a target, by the name that Validate
// gives the field.
var flagOf = map[string]string{
	"url": "TARGET", "codec": "--codec", "duration": "--duration", "window": "--window", "timeout": "--timeout",
	"via": "--via", "username": "--username", "password": "--password-file", "register": "--register",
	"relay": "--relay", "dscp": "--dscp", "limits.bad_mos": "--bad-mos", "limits.loss": "--limit-loss",
}

// targetProblems says what Validate says, in terms of flags.
func targetProblems(t probe.Target, named bool) problems {
	if !named {
		t.URL = "http://127.0.0.1/" // the embedded echo is started later
	}
	var all interface{ Unwrap() []error }
	if !errors.As(t.Validate(), &all) {
		return nil
	}
	var list problems
	for _, err := range all.Unwrap() {
		field, text, _ := strings.Cut(err.Error(), ": ")
		text = strings.ReplaceAll(text, "given in ice_servers", "given with --ice-server")
		switch flag, ok := flagOf[field]; {
		case strings.HasPrefix(field, "ice_servers["):
			list.add("--ice-server", errors.New(text))
		case field == "url" && !strings.Contains(t.URL, "://") && !strings.HasPrefix(strings.ToLower(t.URL), "sip"):
			list.add("TARGET", fmt.Errorf("%s; hint: did you mean https://%s?", text, strings.TrimPrefix(t.URL, "//")))
		case ok:
			list.add(flag, errors.New(text))
		default:
			list = append(list, err)
		}
	}
	return list
}

// parseRatio reads "3%" or "0.03".
func parseRatio(text string) (float64, error) {
	digits, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	x, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a share like 3%% or 0.03", text)
	}
	if isPercent {
		x /= 100
	}
	if !(x > 0 && x <= 1) {
		return 0, fmt.Errorf("%q is not a share within 0%%..100%%, 0 excluded (a number without %% is a ratio)", text)
	}
	return x, nil
}
