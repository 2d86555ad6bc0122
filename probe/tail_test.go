package probe_test

import (
	"testing"

	"github.com/earshot-voip/earshot/internal/echo"
	"github.com/earshot-voip/earshot/internal/farend"
)

// What is on its way when sending ends belongs to the last window: a window of
// its own would have no score, and end the series of the one before.
func TestWhatIsOnItsWayAtTheEndIsNoWindowOfItsOwn(t *testing.T) {
	_, far, _ := startEcho(t, echo.Config{Up: schedule(t, "delay=30ms"), Down: schedule(t, "delay=30ms")})
	r := place(t, t.Context(), target(farend.Serve(t, far)+"/echo"))
	if len(r.Windows) != 1 {
		t.Errorf("got %d windows of a call of one, the last with %d sent and %d expected on the downlink", len(r.Windows), r.Windows[len(r.Windows)-1].Sent, r.Windows[len(r.Windows)-1].Downlink.Expected)
	}
}
