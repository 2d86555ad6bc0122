package main

import (
	"bufio"
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
//	halt NAME                    interrupt it; it must end well; stdout and stderr are its own
//	[!] json FILE PATH WANT      the value at PATH is WANT, as JSON or as a bare string
//	json FILE PATH OP NUMBER     OP is <, > or ==
//	json FILE PATH = FILE2 PATH2 both have the same value
//	certificates                 write ca.pem, and cert.pem and key.pem for 127.0.0.1
//	closedport NAME              $NAME is an address at which nothing listens
//
// FILE may be stdout. PATH is like layers.connect.state. Of a file with several
// lines of JSON the last one counts.
func TestScripts(t *testing.T) {
	ca := signalingtest.NewCA(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(6 * patience), // a program that hangs ends its script, not the run
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": runWithCode, "serve": serve, "halt": halt, "json": checkJSON,
			"certificates": writeCertificates(ca), "closedport": closedPort,
		},
		Setup: func(env *testscript.Env) error {
			env.Values[servers{}] = map[string]*server{}
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

type servers struct{} // key of the running servers

type server struct {
	cmd    *exec.Cmd
	out    *os.File
	errors strings.Builder // complete when read is closed
	read   chan struct{}
}

// patience bounds what a script waits for. It is reached by broken code only.
const patience = 20 * time.Second

func serve(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serve NAME arg...")
	}
	program, err := exec.LookPath("earshot")
	ts.Check(err)
	s := &server{cmd: exec.Command(program, append([]string{"echo"}, args[1:]...)...), read: make(chan struct{})}
	s.cmd.Dir = ts.MkAbs(".")
	s.out, err = os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	s.cmd.Stdout = s.out
	r, w, err := os.Pipe()
	ts.Check(err)
	s.cmd.Stderr = w
	ts.Check(s.cmd.Start())
	w.Close()
	ts.Defer(func() {
		_ = s.cmd.Process.Kill()
		<-s.read
		_ = s.cmd.Wait()
		s.out.Close()
	})

	url := make(chan string, 1)
	go func() {
		defer close(s.read)
		defer r.Close()
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			s.errors.WriteString(lines.Text() + "\n")
			if rest, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				one, _, _ := strings.Cut(rest, ",")
				url <- one
			}
		}
	}()
	select {
	case one := <-url:
		ts.Setenv(args[0], one)
		_, address, _ := strings.Cut(one, "://")
		address, _, _ = strings.Cut(address, "/")
		ts.Setenv(args[0]+"_ADDRESS", address)
		ts.Setenv(args[0]+"_PORT", address[strings.LastIndex(address, ":")+1:])
	case <-s.read:
		ts.Fatalf("earshot echo ended: %s", s.errors.String())
	case <-time.After(patience):
		ts.Fatalf("earshot echo does not listen")
	}
	ts.Value(servers{}).(map[string]*server)[args[0]] = s
}

func halt(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value(servers{}).(map[string]*server)[args[0]]
	if neg || s == nil {
		ts.Fatalf("usage: halt NAME, of a running server")
	}
	ts.Check(s.cmd.Process.Signal(os.Interrupt))
	ended := make(chan error, 1)
	go func() {
		<-s.read
		ended <- s.cmd.Wait()
	}()
	select {
	case err := <-ended:
		if err != nil {
			ts.Fatalf("%v: %s", err, s.errors.String())
		}
	case <-time.After(patience):
		ts.Fatalf("earshot echo does not end")
	}
	text, err := os.ReadFile(s.out.Name())
	ts.Check(err)
	_, _ = ts.Stdout().Write(text)
	_, _ = io.WriteString(ts.Stderr(), s.errors.String())
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
