package audio

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// lineOf lays decoded samples on a timeline as if they had come in packets.
func lineOf(t testing.TB, pcm []float32) *timeline {
	t.Helper()
	l := &timeline{}
	l.reset(codecOf(t, "pcmu"))
	n := copy(l.pcm, pcm)
	l.mark(0, n, present)
	l.finish(n)
	return l
}

func decodeMu(codes []byte) []float32 { return muLaw.decode(nil, codes) }

// The limits of the match lie in a wide gap: on one side the clip through any
// codec here, on the other side anybody else, in every second of each.
func TestTheLimitsOfTheMatchLieInAGap(t *testing.T) {
	ref, err := referenceOf(codecOf(t, "pcmu").Clip())
	if err != nil {
		t.Fatal(err)
	}
	ours := map[string][]float32{"the clip": readClip(t, "pcmu"), "the clip in Opus": readClip(t, "opus")}
	files, err := filepath.Glob("testdata/altered/*.raw")
	if err != nil || len(files) < 5 {
		t.Fatalf("got %v, %v", files, err)
	}
	for _, file := range files {
		ours[strings.TrimSuffix(filepath.Base(file), ".raw")] = decodeMu(readFile(t, file))
	}
	others := map[string][]float32{
		"another voice":      decodeMu(readFile(t, farVoice)),
		"the clip backwards": decodeMu(backwards(t)),
		"a tone":             sine(8000, 4, 425, 0.2),
	}
	// Speech and silence are far apart in any case; music and other voices are
	// what comes near. Two voices at once, and one an octave up, stand for them.
	voice := others["another voice"]
	var two, up []float32
	for i := range voice {
		two = append(two, (voice[i]+others["the clip backwards"][i])/2)
		if 2*i < len(voice) {
			up = append(up, voice[2*i])
		}
	}
	others["two voices"], others["a voice an octave up"] = two, up

	for _, seconds := range []int{1, 2, 5} {
		peaks := func(all map[string][]float32) (least, most float64) {
			least = math.Inf(1)
			for name, pcm := range all {
				for start := 0; start+seconds*8000 <= len(pcm); start += 16001 {
					m := &match{ref: ref, line: lineOf(t, pcm[start:start+seconds*8000])}
					located := m.locate(0, false)
					if least, most = min(least, m.peak), max(most, m.peak); located != (all["the clip"] != nil) {
						t.Errorf("%s, %d s from sample %d: located is %v, peak %.1f, surely alike %.2f", name, seconds, start, located, m.peak, m.sureness())
					}
				}
			}
			return least, most
		}
		leastOurs, _ := peaks(ours)
		_, mostOthers := peaks(others)
		t.Logf("%d s: ours from %.1f, others up to %.1f", seconds, leastOurs, mostOthers)
		if leastOurs < 1.1*foundAt || mostOthers > foundAt/1.05 {
			t.Errorf("%d s: ours from %.1f, others up to %.1f, the limit is %.1f", seconds, leastOurs, mostOthers, foundAt)
		}
	}
}
