package media

import (
	"encoding/csv"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestCodecsAreDescribedAsTheirStandardsSay(t *testing.T) {
	tests := []struct {
		name, flag string
		rtpmap     string
		want       Codec
	}{
		{"mu-law has static type 0 and an 8 kHz clock (RFC 3551 table 4)", "pcmu", "PCMU/8000",
			Codec{Name: "PCMU", PayloadType: 0, ClockRate: 8000, Channels: 1}},
		{"A-law has static type 8 and an 8 kHz clock (RFC 3551 table 4)", "PCMA", "PCMA/8000",
			Codec{Name: "PCMA", PayloadType: 8, ClockRate: 8000, Channels: 1}},
		{"Opus has a dynamic type, a 48 kHz clock and always two channels (RFC 7587 section 4.1)", "Opus", "opus/48000/2",
			Codec{Name: "opus", PayloadType: 111, ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Lookup(tt.flag)
			if err != nil {
				t.Fatal(err)
			}
			if got.RTPMap() != tt.rtpmap {
				t.Errorf("rtpmap: got %q want %q", got.RTPMap(), tt.rtpmap)
			}
			sdp := Codec{Name: got.Name, PayloadType: got.PayloadType, ClockRate: got.ClockRate, Channels: got.Channels, Fmtp: got.Fmtp}
			if sdp != tt.want {
				t.Errorf("got %+v want %+v", sdp, tt.want)
			}
			if got.Frame != 20*time.Millisecond {
				t.Errorf("frame: got %v want 20ms", got.Frame)
			}
			if want := got.ClockRate / 50; got.TicksPerFrame != want {
				t.Errorf("ticks per frame: got %d want %d", got.TicksPerFrame, want)
			}
		})
	}
}

func TestUnknownCodecIsRefusedWithTheKnownNames(t *testing.T) {
	_, err := Lookup("g729")
	if err == nil {
		t.Fatal("g729 was found")
	}
	const want = `unknown codec "g729"; hint: use one of pcmu, pcma, opus`
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	for _, name := range Names() {
		if _, err := Lookup(name); err != nil {
			t.Errorf("a listed name is refused: %v", err)
		}
	}
}

// The E-model has values for Opus only between the published bit rates of the
// same bandwidth and mode.
func TestOpusClipCanBeScored(t *testing.T) {
	codec, err := Lookup("opus")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("testdata/opus_ie_bpl.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var lowest, highest float64
	for _, row := range rows[1:] {
		if row[0] != string(codec.Bandwidth) || row[1] != string(codec.RateMode) {
			continue
		}
		rate, err := strconv.ParseFloat(row[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		if lowest == 0 {
			lowest = rate
		}
		lowest, highest = min(lowest, rate), max(highest, rate)
	}
	if told := float64(codec.BitRate) / 1000; told < lowest || told > highest {
		t.Errorf("bit rate: got %v kbit/s want between %v and %v", told, lowest, highest)
	}
	var bits int
	clip := codec.Clip()
	for n := range clip.Len() {
		bits += 8 * len(clip.Frame(int64(n)))
	}
	mean := float64(bits) / clip.Duration().Seconds()
	if off := mean/float64(codec.BitRate) - 1; off < -0.03 || off > 0.03 {
		t.Errorf("mean bit rate: got %.0f bit/s want %d within 3 %%", mean, codec.BitRate)
	}
}

func TestOpusLookAheadIsTheEncodersPreSkip(t *testing.T) {
	codec, err := Lookup("opus")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(manifestText), `"look_ahead_samples": 312`) {
		t.Error("the manifest does not record 312 samples")
	}
	if got, want := codec.LookAhead, 312*time.Second/48000; got != want {
		t.Errorf("got %v want %v", got, want)
	}
}
