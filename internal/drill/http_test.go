package drill

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/impair"
)

func serveText(t *testing.T, path string, status int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RequestURI() != path {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestEndpointChangesARealEcho(t *testing.T) {
	e, err := echo.New(echo.Config{Drill: true, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewServer(e)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = e.Close(ctx)
		h.Close()
	})
	want := echo.Conditions{Down: impair.Profile{Loss: 0.1, Burst: 2}, Fault: echo.Silent}
	if err := (Endpoint{URL: h.URL + "/echo?x=y", Token: "secret"}).Set(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if got := e.Conditions(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	err = Endpoint{URL: h.URL + "/echo", Token: "guess"}.Set(t.Context(), want)
	if err == nil || !strings.Contains(err.Error(), "--token-file") || strings.Contains(err.Error(), "guess") {
		t.Errorf("got %v", err)
	}
	if err := (Endpoint{URL: serveText(t, "/", 200, "") + "/echo"}).Set(t.Context(), want); err == nil || !strings.Contains(err.Error(), "echo --drill") {
		t.Errorf("got %v", err)
	}
}

func TestAlertsAreRead(t *testing.T) {
	one := []Alert{{map[string]string{"alertname": "EarshotBad", "severity": "critical"}}}
	for _, row := range []struct {
		name   string
		alerts Alerts
		want   []Alert
		err    string
	}{
		{"of Prometheus those that fire", Prometheus(serveText(t, "/p/api/v1/alerts", 200,
			`{"status":"success","data":{"alerts":[{"labels":{"alertname":"EarshotBad","severity":"critical"},"state":"firing"},{"labels":{"alertname":"Other"},"state":"pending"}]}}`)+"/p/", nil), one, ""},
		{"of Alertmanager those that are told", Alertmanager(serveText(t, "/api/v2/alerts?active=true&silenced=false&inhibited=false", 200,
			`[{"labels":{"alertname":"EarshotBad","severity":"critical"},"status":{"state":"active"}}]`), nil), one, ""},
		{"another server", Prometheus(serveText(t, "/", 200, ""), nil), nil, "404"},
		{"no JSON", Prometheus(serveText(t, "/api/v1/alerts", 200, "<html>"), nil), nil, "gave no list of alerts"},
		{"no server", Alertmanager("http://127.0.0.1:1", nil), nil, "ask for alerts"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := row.alerts(t.Context())
			if row.err == "" && err != nil || row.err != "" && (err == nil || !strings.Contains(err.Error(), row.err)) {
				t.Fatalf("got error %v, want %q", err, row.err)
			}
			if !reflect.DeepEqual(got, row.want) {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
