package mos

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// fileNames says which row of codecs.csv an entry of the table is:
// codec|kbit_s|first word of the condition where that is needed.
var fileNames = map[string]string{
	"g711": "G.711|64|PLC of", "g711-noplc": "G.711|64|no PLC", "g729a-vad": "G.729A + VAD|8|",
	"g7231-6.3": "G.723.1 + VAD|6.3|", "gsm-efr": "GSM-EFR|12.2|", "g729": "G.729 / G.729A (no VAD)|8|",
	"g7231-5.3": "G.723.1 ACELP|5.3|", "g726-40": "G.726 / G.727|40|", "g726-32": "G.726 / G.727 / G.721|32|",
	"g726-24": "G.726 / G.727|24|", "g726-16": "G.726 / G.727|16|", "g728-16": "G.728|16|",
	"g728-12.8": "G.728|12.8|", "gsm-fr": "GSM-FR (06.10)|13|", "gsm-hr": "GSM-HR (06.20)|5.6|",
	"is641": "TIA IS-641|7.4|", "g722-64": "G.722|64|", "g722-56": "G.722|56|", "g722-48": "G.722|48|",
	"g722.1-32": "G.722.1|32|", "g722.1-24": "G.722.1|24|", "g711-wb": "G.711 on the WB scale|64|",
	"amr-wb-6.6": "G.722.2 / AMR-WB|6.6|monotic", "amr-wb-8.85": "G.722.2 / AMR-WB|8.85|monotic",
	"amr-wb-12.65": "G.722.2 / AMR-WB|12.65|monotic", "amr-wb-14.25": "G.722.2 / AMR-WB|14.25|monotic",
	"amr-wb-15.85": "G.722.2 / AMR-WB|15.85|monotic", "amr-wb-18.25": "G.722.2 / AMR-WB|18.25|monotic",
	"amr-wb-19.85": "G.722.2 / AMR-WB|19.85|monotic", "amr-wb-23.05": "G.722.2 / AMR-WB|23.05|monotic",
	"amr-wb-23.85": "G.722.2 / AMR-WB|23.85|monotic", "amr-wb-6.6-diotic": "G.722.2 / AMR-WB|6.6|diotic",
	"amr-wb-8.85-diotic": "G.722.2 / AMR-WB|8.85|diotic", "amr-wb-12.65-diotic": "G.722.2 / AMR-WB|12.65|diotic",
	"amr-wb-15.85-diotic": "G.722.2 / AMR-WB|15.85|diotic", "amr-wb-23.05-diotic": "G.722.2 / AMR-WB|23.05|diotic",
	"amr-wb-23.85-diotic": "G.722.2 / AMR-WB|23.85|diotic",
	"evs-9.6":             "EVS (SWB mode)|9.6|", "evs-13.2": "EVS (SWB mode)|13.2|", "evs-16.4": "EVS (SWB mode)|16.4|",
	"evs-24.4": "EVS (SWB mode)|24.4|", "evs-32": "EVS (SWB mode)|32|", "evs-48": "EVS (SWB mode)|48|",
}

func TestTableIsTheReferenceTable(t *testing.T) {
	left := map[string]Codec{}
	for _, c := range table {
		if _, twice := left[c.Name]; twice {
			t.Errorf("%s is twice in the table", c.Name)
		}
		left[c.Name] = c
	}
	for _, v := range rows(t, "codecs.csv", 49) {
		if v.text("Ie") == "" {
			continue
		}
		found := false
		for name, key := range fileNames {
			part := strings.SplitN(key, "|", 3)
			if v.text("codec") != part[0] || v.text("kbit_s") != part[1] || !strings.HasPrefix(v.text("condition"), part[2]) {
				continue
			}
			c, ok := left[name]
			if !ok {
				t.Errorf("%s is not in the table, or twice in the file", name)
			}
			delete(left, name)
			found = true
			v.want("Ie", c.Ie)
			v.want("kbit_s", c.KbitPerSecond)
			bpl := ""
			if c.Bpl != 0 {
				bpl = strconv.FormatFloat(c.Bpl, 'f', 1, 64)
			}
			if want := strings.TrimSuffix(v.text("Bpl"), ".0"); strings.TrimSuffix(bpl, ".0") != want {
				t.Errorf("%s: got Bpl %q, want %q", name, bpl, want)
			}
			if got := strings.ToUpper(c.Scale.String()); got != v.text("scale") {
				t.Errorf("%s: got scale %s, want %s", name, got, v.text("scale"))
			}
			if recalled := strings.Contains(v.text("source"), "(recalled)"); recalled != strings.Contains(c.Source, "recalled") &&
				name != "g711-wb" {
				t.Errorf("%s: source %q does not say whether it was recalled: %q", name, c.Source, v.text("source"))
			}
		}
		if !found {
			t.Errorf("no entry for %v", v.cells)
		}
	}
	if len(left) > 0 {
		t.Errorf("not in the file: %v", left)
	}
}

func TestEveryEntrySaysItsSourceAndWhetherItIsITU(t *testing.T) {
	all := Codecs()
	if len(all) != len(table)+37 {
		t.Fatalf("got %d codecs, want %d", len(all), len(table)+37)
	}
	names := map[string]bool{}
	for _, c := range all {
		if c.Source == "" || c.Condition == "" || c.Title == "" {
			t.Errorf("%s: source, condition or title is missing", c.Name)
		}
		if c.ITU != strings.HasPrefix(c.Source, "ITU-T ") {
			t.Errorf("%s: ITU is %v, source %q", c.Name, c.ITU, c.Source)
		}
		isOpus := strings.HasPrefix(c.Name, "opus-")
		if isOpus == c.ITU || isOpus != strings.Contains(c.Source, "not an ITU value") {
			t.Errorf("%s: ITU is %v, source %q", c.Name, c.ITU, c.Source)
		}
		if names[c.Name] {
			t.Errorf("%s is there twice", c.Name)
		}
		names[c.Name] = true
	}
	all[1].Ie = 77
	if codec(t, all[1].Name).Ie == 77 {
		t.Error("the table can be changed from outside")
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct{ name, query, want string }{
		{"PCMU is G.711 with concealment", "pcmu", "g711"},
		{"PCMA too", "PCMA", "g711"},
		{"capitals do not matter", "G729A-VAD", "g729a-vad"},
		{"g729a is the one with a Bpl", "g729a", "g729a-vad"},
		{"a name that begins others is itself", "g729", "g729"},
		{"a name with its rate", "amr-wb-12.65", "amr-wb-12.65"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := codec(t, c.query).Name; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	for a, name := range aliases {
		if _, err := Lookup(a); err != nil && !strings.Contains(err.Error(), "must be one of") {
			t.Errorf("alias %s of %s: %v", a, name, err)
		}
	}
}

func TestLookupRefuses(t *testing.T) {
	for _, c := range []struct {
		name, query, want string
		none              bool
	}{
		{"a codec without published values", "ilbc", "no value is published", true},
		{"AMR narrowband", "amr", "no value is published", true},
		{"Opus without bit rate", "opus", "bit rate", true},
		{"a family, with its members", "g726", "must be one of g726-40, g726-32, g726-24, g726-16", false},
		{"a family by its other name", "g722.2", "amr-wb-12.65", false},
		{"an unknown name", "mp3", "codec mp3: not in the table", false},
		{"no name", "", "not in the table", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Lookup(c.query)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if errors.Is(err, ErrNoValue) != c.none {
				t.Errorf("ErrNoValue: got %v", err)
			}
			if got != (Codec{}) {
				t.Errorf("got %+v beside an error", got)
			}
		})
	}
}

func TestOpusIsThePrintedSet(t *testing.T) {
	scales := map[string]Scale{"NB": NB, "WB": WB, "SWB": FB}
	modes := map[string]RateMode{"VBR": VBR, "CBR": CBR}
	recommendations := map[Scale]string{NB: "G.107", WB: "G.107.1", FB: "G.107.2"}
	all := rows(t, "opus_ie_bpl.csv", 37)
	count := 0
	for _, curve := range opus {
		count += len(curve.rows)
		if !slices.IsSortedFunc(curve.rows, func(a, b opusPoint) int { return int(a.kbit - b.kbit) }) {
			t.Errorf("%s %s is not sorted", curve.bandwidth(), curve.mode)
		}
	}
	if count != len(all) {
		t.Errorf("got %d points, want %d", count, len(all))
	}
	for _, v := range all {
		scale := scales[v.text("audio_bandwidth")]
		if recommendations[scale] != v.text("e_model_scale") || scale.Recommendation() != "ITU-T "+v.text("e_model_scale") {
			t.Errorf("%v: scale %v", v.cells, scale)
		}
		c, err := Opus(scale, modes[v.text("mode")], v.number("kbit_s"))
		if err != nil {
			t.Fatal(err)
		}
		got := [5]float64{c.KbitPerSecond, c.Ie, c.Bpl, c.BplBursty}
		want := [5]float64{v.number("kbit_s"), v.number("Ie"), v.number("Bpl_random"), v.number("Bpl_bursty")}
		if got != want || c.Scale != scale || c.ITU {
			t.Errorf("%v: got %v %v, ITU %v", v.cells, got, c.Scale, c.ITU)
		}
		if c.BplBursty >= c.Bpl {
			t.Errorf("%v: bursts are easier than random loss", v.cells)
		}
	}
}

func TestOpusBetweenTwoFittedRates(t *testing.T) {
	// Half way and three quarters of the way, by hand from opus_ie_bpl.csv.
	for _, c := range []struct {
		name              string
		scale             Scale
		mode              RateMode
		kbit              float64
		ie, random, burst float64
	}{
		{"super-wideband VBR 17.5 lies half way from 16 to 19", FB, VBR, 17.5, 26.985112965, 11.25, 9.49},
		{"wideband CBR 12.5 lies half way from 12 to 13", WB, CBR, 12.5, 27.962716375, 23.90709934, 20.074645965},
		{"narrowband CBR 10.75 lies three quarters of the way from 10 to 11", NB, CBR, 10.75, 3.071928035, 15.7961682725, 10.667462775},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Opus(c.scale, c.mode, c.kbit)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range []float64{got.Ie - c.ie, got.Bpl - c.random, got.BplBursty - c.burst} {
				if math.Abs(d) > 1e-8 {
					t.Errorf("got %+v", got)
				}
			}
		})
	}
}

func TestOpusOutsideTheFittedRatesIsAnError(t *testing.T) {
	for _, c := range []struct {
		name  string
		scale Scale
		mode  RateMode
		kbit  float64
		want  string
	}{
		{"below super-wideband VBR", FB, VBR, 13.99, "opus swb vbr at 13.99 kbit/s: no value is published outside of 14..40 kbit/s"},
		{"below super-wideband CBR, where VBR has one", FB, CBR, 15, "outside of 16..40"},
		{"above super-wideband", FB, VBR, 40.001, "outside of 14..40"},
		{"above wideband VBR, where CBR has one", WB, VBR, 14, "outside of 11..13"},
		{"zero", NB, VBR, 0, "outside of 6..9"},
		{"not a number", NB, CBR, math.NaN(), "outside of 6..11"},
		{"infinite", NB, CBR, math.Inf(1), "outside of 6..11"},
		{"no such scale", Scale(7), VBR, 24, "no value is published"},
		{"no such mode", FB, RateMode(7), 24, "no value is published"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Opus(c.scale, c.mode, c.kbit)
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrNoValue) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if !reflect.DeepEqual(got, Codec{}) {
				t.Errorf("got %+v beside an error", got)
			}
		})
	}
	if low, high := OpusRange(WB, CBR); low != 12 || high != 15 {
		t.Errorf("wideband CBR: got %v..%v, want 12..15", low, high)
	}
	if low, high := OpusRange(Scale(9), CBR); low != 0 || high != 0 {
		t.Errorf("no scale: got %v..%v, want 0..0", low, high)
	}
}
