package web

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/agent"
)

// passwordHash is bcrypt of "correct horse", cost 4.
const passwordHash = "$2a$04$QefsL.EbH6mB2LILYu.XMepnGRQ2XI8NV66o4MUnK8J3N2qboVHz6"

// serveFor serves until the test ends and returns the address.
func serveFor(t *testing.T, l Listen) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	at, done := make(chan string, 1), make(chan error, 1)
	s := New(Config{Status: func() agent.Status { return agent.Status{} }})
	go func() {
		done <- Serve(ctx, l, s, slog.New(slog.DiscardHandler), func(all []net.Addr) { at <- all[0].String() })
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Error("serving does not end")
		}
	})
	select {
	case address := <-at:
		return address
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	return ""
}

func fetchWith(t *testing.T, client *http.Client, address, user, password string) (int, string, error) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

func TestServingPlainHTTP(t *testing.T) {
	address := serveFor(t, Listen{Addresses: []string{"127.0.0.1:0"}})
	if code, body, err := fetchWith(t, http.DefaultClient, "http://"+address+"/-/healthy", "", ""); code != 200 || err != nil {
		t.Errorf("%d %s %v", code, body, err)
	}
}

func TestServingWithTLSAndPasswords(t *testing.T) {
	folder := t.TempDir()
	borrowed := httptest.NewUnstartedServer(nil)
	borrowed.StartTLS() // for its certificate, which is for 127.0.0.1
	certificate := borrowed.TLS.Certificates[0]
	pool := x509.NewCertPool()
	pool.AddCert(borrowed.Certificate())
	borrowed.Close()
	key, err := x509.MarshalPKCS8PrivateKey(certificate.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})))
	write("key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	file := write("web.yaml", fmt.Sprintf("tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {ops: %q}\n", passwordHash))

	l := Listen{Addresses: []string{"127.0.0.1:0"}, ConfigFile: file}
	if err := l.Check(); err != nil {
		t.Fatal(err)
	}
	address := "https://" + serveFor(t, l)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	for _, path := range []string{"/", "/metrics", "/probe", "/-/reload", "/api/v1/calls", "/config", "/assets/style.css"} {
		if code, _, err := fetchWith(t, client, address+path, "", ""); code != http.StatusUnauthorized || err != nil {
			t.Errorf("%s without a password: %d %v", path, code, err)
		}
	}
	if code, _, err := fetchWith(t, client, address+"/", "ops", "wrong"); code != http.StatusUnauthorized || err != nil {
		t.Errorf("with a wrong password: %d %v", code, err)
	}
	if code, body, err := fetchWith(t, client, address+"/", "ops", "correct horse"); code != 200 || err != nil || !strings.Contains(body, "Earshot") {
		t.Errorf("with the password: %d %v", code, err)
	}
	if code, _, err := fetchWith(t, http.DefaultClient, strings.Replace(address, "https", "http", 1)+"/", "ops", "correct horse"); code == 200 || err != nil {
		t.Errorf("in clear: %d %v", code, err)
	}
}

func TestBadWebConfigurationIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(path, []byte("tls_server_config: {cert: x}\npasswords: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Listen{ConfigFile: path}).Check(); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if err := (Listen{ConfigFile: path + ".none"}).Check(); err == nil {
		t.Error("a file that is not there is taken")
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = Serve(context.Background(), Listen{Addresses: []string{"127.0.0.1:0", l.Addr().String()}}, http.NotFoundHandler(), slog.New(slog.DiscardHandler), func([]net.Addr) { t.Error("it is ready") })
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
}
