package probe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/audio"
)

// leastMatch is the share of compared frames that must be ours for the network's
// figures to say how the call sounds: below it there is no score. What the network
// loses is not compared, so a healthy echo has all.
const leastMatch = 0.9

// audioStates maps what was heard to what is reported.
var audioStates = map[audio.State]AudioState{
	audio.NotChecked: AudioNotChecked, audio.OK: AudioOK,
	audio.Silent: AudioSilent, audio.ComfortNoise: AudioSilent, audio.Wrong: AudioWrong,
}

// audioOf turns findings into their public form.
func audioOf(f *audio.Findings) Audio {
	a := Audio{
		State:   audioStates[f.State()],
		Checked: f.Checked, Matched: f.Matched, Recognised: f.Recognised,
		Silent: f.Muted, Noise: f.Hiss,
		LevelDBOV: known(f.Level()), ActiveLevelDBOV: known(f.ActiveLevel()),
		GainDB: known(f.Gain()), ClippingRatio: known(f.ClippingRatio()),
	}
	if delay, accuracy, ok := f.Delay(); ok {
		a.Delay, a.DelayAccuracy = &delay, accuracy
	}
	return a
}

// known is a value if there is one.
func known(v float64, ok bool) *float64 {
	if !ok {
		return nil
	}
	return &v
}

// heard puts what was heard in a window into it. A window in which other audio
// came back than was sent has no score: its packets arrived, and nobody heard
// what was said. Where this host sent the clip in pieces, audio that is not like
// it proves nothing.
func (c *call) heard(w *Window, f *audio.Findings) {
	w.Audio = audioOf(f)
	if w.Audio.State == AudioSilent && w.Downlink.Received == 0 && w.Uplink.Evidence.Known() && w.Uplink.Received > 0 {
		w.Audio.State = AudioOneWay
	}
	if !w.Trusted && w.Audio.State == AudioWrong {
		w.Audio.State = AudioNotChecked
	}
	if unheard(&w.Audio) {
		w.Uplink.Score, w.Downlink.Score = nil, nil
	}
}

// unheard reports whether what was sent did not come back to an ear, though
// packets did.
func unheard(a *Audio) bool {
	return a.Checked > 0 && a.State != AudioNotChecked && a.MatchRatio() < leastMatch
}

// collectAudio takes what was heard over the whole call into the result.
func (c *call) collectAudio() {
	whole := c.ear.total.Call()
	a := audioOf(&whole)
	gaps := c.ear.gaps()
	a.Missing, a.GapCount = gaps.Missing(c.codec.Frame)
	for _, g := range gaps.List() {
		a.Gaps = append(a.Gaps, Gap{time.Duration(g.Start) * c.codec.Frame, time.Duration(g.Length) * c.codec.Frame})
	}
	if a.Delay != nil {
		ear := *a.Delay + c.codec.Frame + c.codec.LookAhead + c.result.Downlink.PlayoutDepth
		a.MouthToEar = &ear
	}
	c.result.Audio = a
	if unheard(&a) {
		c.result.Uplink.Score, c.result.Downlink.Score = nil, nil
	}
}

// listen judges what came back.
func (c *call) listen(context.Context) error {
	f, a := c.ear.total.Call(), &c.result.Audio
	c.detail(LayerAudio, heardText(a))
	state := f.State()
	if state == audio.Wrong && !c.result.Self.Trusted {
		a.State, state = AudioNotChecked, audio.NotChecked
		c.detail(LayerAudio, "not judged: "+strings.Join(c.result.Self.Reasons, "; "))
	}
	switch state {
	case audio.Silent:
		return &mediaError{CodeSilent, "packets came back, and nothing is to be heard in them: " + heardText(a)}
	case audio.ComfortNoise:
		return &mediaError{CodeComfortNoise, "comfort noise came back: " + heardText(a)}
	case audio.Wrong:
		return &mediaError{CodeWrongContent, "what came back is not what was sent: " + heardText(a)}
	case audio.NotChecked:
		c.step(LayerAudio).State = StateNotApplicable
		return nil
	}
	if f.Tail >= stoppedAfter {
		a.State = AudioSilent
		return &mediaError{CodeAudioStopped, fmt.Sprintf("nothing of the clip was heard in the last %v of the call, though packets came: %s",
			f.Tail.Round(100*time.Millisecond), heardText(a))}
	}
	return nil
}

// heardText says in a line what became of the compared frames.
func heardText(a *Audio) string {
	if a.Checked == 0 {
		return "no audio was compared"
	}
	parts := []string{fmt.Sprintf("%d of %d returned frames are the ones that were sent", a.Matched, a.Checked)}
	for _, one := range []struct {
		n    int64
		text string
	}{
		{a.Recognised, "%d are ours by ear"},
		{a.Silent, "%d are silent"},
		{a.Noise, "%d are comfort noise"},
		{a.Checked - a.Ours() - a.Silent - a.Noise, "%d are something else"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf(one.text, one.n))
		}
	}
	return strings.Join(parts, ", ")
}

// Limits on audio that is ours. They are here and nowhere else; what may be
// silent or strange is as much as may be lost.
const (
	maxClipping = 0.005 // share of samples: from there on speech is harsh
	leastLevel  = -46.0 // dBov, active: 20 dB under what was sent
)

// audioComplaints lists what is wrong with audio that is ours all the same.
func (c *call) audioComplaints() []string {
	a, limit := &c.result.Audio, c.target.Limits.Loss
	var list []string
	complain := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if a.State != AudioOK {
		return nil
	}
	if ratio := a.SilentRatio(); ratio > limit {
		complain("%.1f %% of the clip came back silent, limit %.1f %%", 100*ratio, 100*limit)
	}
	if ratio := a.OtherRatio(); ratio > limit {
		complain("%.1f %% of what came back is not what was sent, limit %.1f %%", 100*ratio, 100*limit)
	}
	if a.ClippingRatio != nil && *a.ClippingRatio > maxClipping {
		complain("%.1f %% of the audio is clipped, limit %.1f %%", 100**a.ClippingRatio, 100*maxClipping)
	}
	if a.ActiveLevelDBOV != nil && *a.ActiveLevelDBOV < leastLevel {
		complain("the clip came back at %.0f dBov, which is hard to hear, limit %.0f dBov", *a.ActiveLevelDBOV, leastLevel)
	}
	return list
}
