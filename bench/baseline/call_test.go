package baseline

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
)

// The baseline must be a call that works, and a watched one must see nearly
// every packet twice: at the socket and in the application.
func TestBaselineCallsAnEcho(t *testing.T) {
	server, err := echo.New(echo.Config{})
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewServer(server)
	defer func() {
		front.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	api, err := NewAPI(true)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	begun := false
	o := Burst(ctx, api, Target{URL: front.URL + "/echo", Duration: time.Second}, 2, func() { begun = true })
	if o.Failed != 0 || len(o.Results) != 2 || !begun {
		t.Fatalf("%d calls failed: %v", o.Failed, o.Err)
	}
	for _, r := range o.Results {
		if r.Sent != 50 || r.Returned < 40 || r.Returned > r.Sent || r.FirstMedia <= 0 {
			t.Errorf("sent %d, returned %d, the first after %v", r.Sent, r.Returned, r.FirstMedia)
		}
		if r.Noise.Count < r.Returned-5 || r.Noise.Count > r.Returned || r.Noise.P50 <= 0 || r.Noise.P50 > time.Second {
			t.Errorf("own noise of %d of %d packets, median %v", r.Noise.Count, r.Returned, r.Noise.P50)
		}
	}
	if server.Calls() != 0 {
		t.Errorf("%d calls are left at the echo", server.Calls())
	}
}
