package probe_test

import (
	"context"
	"fmt"
	"log"
	"net/http/httptest"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/probe"
)

// echoEndpoint serves an echo on loopback, as "earshot echo" does.
func echoEndpoint() (url string, stop func()) {
	server, err := echo.New(echo.Config{})
	if err != nil {
		log.Fatal(err)
	}
	web := httptest.NewServer(server)
	return web.URL + "/echo", func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Close(ctx); err != nil {
			log.Print(err)
		}
		web.Close()
	}
}

// A call returns a result whatever became of it; an error is only for a target
// that cannot be tried. Ask for the evidence before the figures: a direction of
// which nothing is known has none.
func ExampleRun() {
	url, stop := echoEndpoint()
	defer stop()

	result, err := probe.Run(context.Background(), probe.Target{
		URL:      url,
		Codec:    "pcmu",
		Duration: time.Second,
	})
	if err != nil {
		log.Fatal(err)
	}
	if result.Failure != nil {
		log.Fatal(result.Failure)
	}
	if up := result.Uplink; up.Evidence.Known() {
		fmt.Printf("uplink: %d lost, by %s\n", up.Lost, up.Evidence)
	}
	if score := result.Downlink.Score; score != nil {
		log.Printf("downlink: MOS between %.1f and %.1f", score.MOSLow, score.MOSHigh)
	}
	// Output:
	// uplink: 0 lost, by stamps
}

// A failed call says which layer broke first, why, and what to do next. The
// code is stable: scripts and alerts can rely on it.
func ExampleRun_failure() {
	url, stop := echoEndpoint()
	stop() // nothing listens any more

	result, err := probe.Run(context.Background(), probe.Target{URL: url})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Verdict)
	fmt.Println(result.Failure.Layer, result.Failure.Code)
	fmt.Println(result.Failure.Hint)
	// Output:
	// failed
	// connect connect_refused
	// nothing listens on that port; check the port number and whether the service runs
}

// What is wrong with a target is said all at once, and before any packet leaves.
func ExampleTarget_Validate() {
	t := probe.Target{
		URL:      "https://echo.example.com/echo",
		Duration: 100 * time.Millisecond,
		Relay:    probe.RelayOnly,
	}
	fmt.Println(t.Validate())
	// Output:
	// duration: must be at least 1s to be scored, is 100ms
	// relay: is "only", but no TURN server is given in ice_servers
}
