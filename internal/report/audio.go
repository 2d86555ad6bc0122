package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/earshot-voip/earshot/probe"
)

// audio is null in what was not measured.
type audio struct {
	State       probe.AudioState `json:"state"`
	Level       *float64         `json:"level_dbov"`
	ActiveLevel *float64         `json:"active_level_dbov"`
	Gain        *float64         `json:"gain_db"`
	Clipping    *float64         `json:"clipping_ratio"`
	Match       *float64         `json:"match_ratio"`
	Delay       *float64         `json:"delay_seconds"`
	Accuracy    *float64         `json:"delay_accuracy_seconds"` // half of the 95 % interval
	MouthToEar  *float64         `json:"mouth_to_ear_seconds"`
	Checked     int64            `json:"frames_checked"`
	Matched     int64            `json:"frames_matched"`    // bit for bit
	Recognised  int64            `json:"frames_recognised"` // by correlation
	Silent      int64            `json:"frames_silent"`
	Noise       int64            `json:"frames_noise"` // comfort noise
	Missing     *float64         `json:"missing_seconds"`
	GapCount    *int64           `json:"gap_count"`
	Gaps        []gap            `json:"gaps"` // the longest
}

type gap struct {
	Start   *float64 `json:"start_seconds"` // on the time of the clip as it was sent
	Seconds *float64 `json:"seconds"`
}

// windowAudio is the part that is known of a window.
type windowAudio struct {
	State   probe.AudioState `json:"state"`
	Level   *float64         `json:"level_dbov"`
	Match   *float64         `json:"match_ratio"`
	Delay   *float64         `json:"delay_seconds"`
	Checked int64            `json:"frames_checked"`
}

func newAudio(a *probe.Audio) audio {
	out := audio{
		State: a.State,
		Level: level(a.LevelDBOV), ActiveLevel: level(a.ActiveLevelDBOV), Gain: level(a.GainDB),
		Checked: a.Checked, Matched: a.Matched, Recognised: a.Recognised, Silent: a.Silent, Noise: a.Noise,
		Gaps: make([]gap, 0, len(a.Gaps)),
	}
	if a.ClippingRatio != nil {
		out.Clipping = number(*a.ClippingRatio)
	}
	if a.Checked > 0 {
		out.Match = number(a.MatchRatio())
		out.Missing, out.GapCount = seconds(a.Missing), &a.GapCount
	}
	if a.Delay != nil {
		out.Delay, out.Accuracy = seconds(*a.Delay), seconds(a.DelayAccuracy)
	}
	if a.MouthToEar != nil {
		out.MouthToEar = seconds(*a.MouthToEar)
	}
	for _, g := range a.Gaps {
		out.Gaps = append(out.Gaps, gap{seconds(g.Start), seconds(g.Length)})
	}
	return out
}

func newWindowAudio(a *probe.Audio) windowAudio {
	whole := newAudio(a)
	return windowAudio{State: whole.State, Level: whole.Level, Match: whole.Match, Delay: whole.Delay, Checked: whole.Checked}
}

// level has two decimals: no meter of levels is better.
func level(x *float64) *float64 {
	if x == nil {
		return nil
	}
	return rounded(*x, 100)
}

func audioText(a *probe.Audio) string {
	parts := []string{map[probe.AudioState]string{
		probe.AudioOK:         "the clip that was sent came back",
		probe.AudioSilent:     "nothing audible came back",
		probe.AudioWrong:      "something else than the clip that was sent came back",
		probe.AudioOneWay:     "media goes in one direction only",
		probe.AudioNotChecked: "not checked",
	}[a.State]}
	if a.Checked > 0 {
		parts[0] += fmt.Sprintf(" (%d of %d frames match%s)", a.Ours(), a.Checked, byEar(a))
	}
	if a.Silent+a.Noise > 0 && a.State == probe.AudioOK {
		parts = append(parts, percent(a.SilentRatio())+" silent")
	}
	if a.LevelDBOV != nil {
		text := fmt.Sprintf("level %.1f dBov", *a.LevelDBOV)
		if a.ActiveLevelDBOV != nil {
			text += fmt.Sprintf(" (speech %.1f)", *a.ActiveLevelDBOV)
		}
		parts = append(parts, text)
	}
	if a.GainDB != nil && math.Abs(*a.GainDB) >= 0.5 {
		parts = append(parts, fmt.Sprintf("%+.1f dB against what was sent", *a.GainDB))
	}
	if a.ClippingRatio != nil && *a.ClippingRatio >= 0.0005 {
		parts = append(parts, percent(*a.ClippingRatio)+" clipped")
	}
	if a.Delay != nil {
		parts = append(parts, duration(*a.Delay)+" ± "+duration(a.DelayAccuracy)+" behind")
	}
	if a.MouthToEar != nil {
		parts = append(parts, duration(*a.MouthToEar)+" from mouth to ear and back")
	}
	return strings.Join(parts, ", ")
}

func byEar(a *probe.Audio) string {
	switch {
	case a.Recognised == 0:
		return ""
	case a.Matched == 0:
		return ", by ear"
	}
	return fmt.Sprintf(", %d of them by ear", a.Recognised)
}

// gapText names the longest gaps of what came back.
func gapText(a *probe.Audio) string {
	const most = 5
	longest := slices.SortedStableFunc(slices.Values(a.Gaps), func(a, b probe.Gap) int { return cmp.Compare(b.Length, a.Length) })
	var list []string
	for _, g := range longest[:min(len(longest), most)] {
		list = append(list, fmt.Sprintf("%s at %.2f s", duration(g.Length), g.Start.Seconds()))
	}
	if a.GapCount == 1 {
		return strings.Join(list, "")
	}
	return fmt.Sprintf("%s in %d gaps, the longest %s", duration(a.Missing), a.GapCount, strings.Join(list, ", "))
}
