package probe

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// judge compares the figures with the target's limits. What is over a limit
// degrades the call; it breaks nothing.
func (c *call) judge(context.Context) error {
	r := &c.result
	step := c.step(LayerQuality)
	blind := !r.Uplink.Evidence.Known() && !r.Downlink.Evidence.Known() && len(c.audioComplaints()) == 0
	if !r.Self.Trusted || blind {
		step.State = StateNotApplicable
		step.Detail = "not judged: " + c.untrusted()
		return nil
	}
	complaints := c.complaints()
	if len(complaints) > 0 {
		step.State = StateDegraded
		step.Detail = strings.Join(complaints, "; ")
		return nil
	}
	step.Detail = "within all limits"
	return nil
}

// complaints lists what is over a limit, the direction first.
func (c *call) complaints() []string {
	r, limits := &c.result, c.target.Limits
	var list []string
	complain := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	for _, d := range []struct {
		name string
		*Direction
	}{{"uplink", &r.Uplink}, {"downlink", &r.Downlink}} {
		if !d.Evidence.Known() {
			continue
		}
		if d.Score != nil && d.Score.MOS < limits.BadMOS {
			complain("%s MOS %.2f, limit %.2f", d.name, d.Score.MOS, limits.BadMOS)
		}
		if ratio := d.LossRatio(); ratio > limits.Loss {
			complain("%s loses %.1f %%, limit %.1f %%", d.name, 100*ratio, 100*limits.Loss)
		}
		if d.JitterMean > limits.Jitter {
			complain("%s jitter %v, limit %v", d.name, d.JitterMean.Round(100*time.Microsecond), limits.Jitter)
		}
	}
	for _, text := range c.audioComplaints() {
		complain("%s", text)
	}
	if r.RoundTrip.RTT.P50 > limits.RTT {
		complain("round trip %v, limit %v", r.RoundTrip.RTT.P50.Round(time.Millisecond), limits.RTT)
	}
	return list
}

// untrusted says why the call has no verdict on quality.
func (c *call) untrusted() string {
	if reasons := c.result.Self.Reasons; len(reasons) > 0 {
		return strings.Join(reasons, "; ")
	}
	return "nothing is known of either direction"
}

// verdict puts the outcome into a word and a sentence.
func (c *call) verdict() (Verdict, string) {
	r := &c.result
	name := r.Name
	switch quality := c.step(LayerQuality); {
	case c.failure != nil:
		return Failed, fmt.Sprintf("The call to %s failed at %s: %s.", name, layerWords[c.failure.Layer], c.failure.Code.Meaning())
	case quality.State == StateNotApplicable:
		return Untrusted, fmt.Sprintf("The call to %s went through, but its quality could not be measured: %s.", name, c.untrusted())
	case quality.State == StateDegraded:
		return Degraded, fmt.Sprintf("The call to %s works, but its quality is poor: %s.", name, quality.Detail)
	}
	if !r.Uplink.Evidence.Known() || !r.Downlink.Evidence.Known() {
		return Good, fmt.Sprintf("The call to %s is good as far as is known: %s, %s.", name, scored("up", &r.Uplink), scored("down", &r.Downlink))
	}
	return Good, fmt.Sprintf("The call to %s is good in both directions: %s, %s.", name, scored("up", &r.Uplink), scored("down", &r.Downlink))
}

// scored says in a few words what is known of a direction.
func scored(name string, d *Direction) string {
	switch {
	case !d.Evidence.Known():
		return name + " unknown"
	case d.Score == nil:
		return name + " too short to be scored"
	}
	return fmt.Sprintf("MOS %.2f %s", d.Score.MOS, name)
}

var layerWords = map[Layer]string{
	LayerResolve: "name resolution", LayerConnect: "the TCP connection", LayerTLS: "TLS",
	LayerSignaling: "signalling", LayerGather: "gathering candidates", LayerICE: "ICE",
	LayerDTLS: "DTLS", LayerMedia: "media", LayerAudio: "audio", LayerQuality: "quality",
}
