package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/earshot-voip/earshot/internal/farend"
	"github.com/earshot-voip/earshot/internal/signaling/signalingtest"
	"github.com/earshot-voip/earshot/probe"
)

func TestMain(m *testing.M) {
	testscript.Main(sideBySide{m}, map[string]func(){
		"earshot": func() {
			// A busy host sends late. What a call then says of the network is right all
			// the same, since lateness is measured and taken out; only the verdict would
			// be withheld, and that is tested elsewhere.
			trust = probe.Trust{SendLate: time.Minute, Missed: 1}
			os.Exit(run(os.Args[1:]))
		},
	})
}

// sideBySide runs more tests at once than there are processors: a call sleeps
// most of its time.
type sideBySide struct{ *testing.M }

func (m sideBySide) Run() int {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("6")
	}
	return m.M.Run()
}

// TestScripts runs testdata/script: sessions at a terminal, with these commands
// on top of testscript's own:
//
//	code N[,N] PROGRAM ARG...    run it; it must exit with N
//	serve NAME ARG...            run earshot echo in the background until the script
//	                             ends; $NAME is its URL, $NAME_ADDRESS and $NAME_PORT
//	                             are from it, NAME.out its standard output
//	begin NAME COMMAND ARG...    run any earshot in the background
//	await NAME REGEXP [VARIABLE] wait until its standard error has a match, after the last one;
//	                             VARIABLE becomes the first group
//	ask METHOD URL [REGEXP]      send an HTTP request, again until the answer has a match;
//	                             its body is standard output
//	signal NAME SIGNAL           send HUP, INT, TERM or KILL
//	halt NAME [SIGNAL]           interrupt it; it must end well; stdout and stderr are its own
//	[!] json FILE PATH WANT      the value at PATH is WANT, as JSON or as a bare string
//	json FILE PATH OP NUMBER     OP is <, > or ==
//	json FILE PATH = FILE2 PATH2 both have the same value
//	expand FILE                  put the values of variables in place of ${NAME}
//	certificates                 write ca.pem, and cert.pem and key.pem for 127.0.0.1
//	sip NAME ECHO                start a SIP server in front of an echo until the end of
//	                             all scripts; $NAME is its WebSocket
//	closedport NAME              $NAME is an address at which nothing listens
//
// $TURN_UDP, $TURN_TCP and $TURN_TLS are the URLs of one TURN server on loopback
// that knows the user probe with the password right; ca.pem signed its certificate.
//
// FILE may be stdout. PATH is like layers.connect.state. Of a file with several
// lines of JSON the last one counts.
func TestScripts(t *testing.T) {
	ca := signalingtest.NewCA(t)
	certificate := ca.Valid()
	turn := farend.NewTURN(t, farend.TURNConfig{Certificate: &certificate})
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(15 * patience), // a program that hangs ends its script, not the run
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": runWithCode, "serve": serve, "json": checkJSON,
			"begin": begin, "await": await, "ask": ask, "signal": sendSignal, "halt": halt,
			"expand": expand, "certificates": writeCertificates(ca), "closedport": closedPort, "sip": sipServer(t),
		},
		Setup: func(env *testscript.Env) error {
			env.Values[backgrounds{}] = map[string]*background{}
			env.Setenv("TURN_UDP", turn.UDP)
			env.Setenv("TURN_TCP", turn.TCP)
			env.Setenv("TURN_TLS", turn.TLS)
			return nil
		},
	})
}

func runWithCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program arg...")
	}
	if got := exitOf(ts, args[1:]); !slices.Contains(strings.Split(args[0], ","), got) {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func exitOf(ts *testscript.TestScript, command []string) string {
	err := ts.Exec(command[0], command[1:]...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	if exit == nil {
		return "0"
	}
	return strconv.Itoa(exit.ExitCode())
}

func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 {
		ts.Fatalf("usage: json FILE PATH WANT, or json FILE PATH OP VALUE...")
	}
	got := lookUp(ts, args[0], args[1])
	ok, want := false, strings.Join(args[2:], " ")
	switch {
	case len(args) == 3:
		var literal any
		if json.Unmarshal([]byte(args[2]), &literal) != nil {
			literal = args[2]
		}
		ok = got == literal
	case len(args) == 5 && args[2] == "=":
		other := lookUp(ts, args[3], args[4])
		ok, want = got == other, fmt.Sprint(other)
	case len(args) == 4:
		limit, err := strconv.ParseFloat(args[3], 64)
		ts.Check(err)
		number, isNumber := got.(float64)
		ok = isNumber && (args[2] == "<" && number < limit || args[2] == ">" && number > limit || args[2] == "==" && number == limit)
	}
	if ok == neg {
		ts.Fatalf("%s: got %v, want %v (negated: %v)", args[1], got, want, neg)
	}
}

// lookUp finds a value. An element of a list is named by its number or by what
// its "layer" says.
func lookUp(ts *testscript.TestScript, file, path string) any {
	var node any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	for {
		var one any
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		node = one
	}
	for _, key := range strings.Split(path, ".") {
		switch n := node.(type) {
		case map[string]any:
			v, ok := n[key]
			if !ok {
				ts.Fatalf("%s has no %s", path, key)
			}
			node = v
		case []any:
			node = element(n, key)
		default:
			ts.Fatalf("%s: %v has no %s", path, n, key)
		}
	}
	return node
}

func element(list []any, key string) any {
	for i, one := range list {
		if m, ok := one.(map[string]any); ok && m["layer"] == key || strconv.Itoa(i) == key {
			return one
		}
	}
	return nil
}

func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: expand FILE")
	}
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

func writeCertificates(ca *signalingtest.CA) func(*testscript.TestScript, bool, []string) {
	pair := ca.Issue(time.Now().Add(-time.Hour), time.Now().Add(time.Hour), "127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		ts.Check(err)
		write := func(name, kind string, blocks ...[]byte) {
			var text []byte
			for _, b := range blocks {
				text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})...)
			}
			ts.Check(os.WriteFile(ts.MkAbs(name), text, 0o600))
		}
		write("ca.pem", "CERTIFICATE", ca.Certificate.Raw)
		write("cert.pem", "CERTIFICATE", pair.Certificate...)
		write("key.pem", "PRIVATE KEY", key)
	}
}

func closedPort(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}
