package mos

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// The files settings_*.csv were made by testdata/settings.py, which shares
// nothing with this package.

// fields says where the parameters of a settings row go. A name is in one of
// the three only.
type fields struct {
	settings map[string]*Setting
	delays   map[string]*time.Duration // given in ms
	numbers  map[string]*float64
}

// fill sets what a row like "SLR=0 T=5" names.
func (f fields) fill(t *testing.T, text string) {
	t.Helper()
	for _, pair := range strings.Fields(text) {
		key, value, _ := strings.Cut(pair, "=")
		x, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case f.settings[key] != nil:
			*f.settings[key] = Set(x)
		case f.delays[key] != nil:
			*f.delays[key] = millis(x)
		case f.numbers[key] != nil:
			*f.numbers[key] = x
		default:
			t.Fatalf("parameter %q is unknown", key)
		}
	}
}

func TestNarrowbandConnectionsOtherThanTheDefault(t *testing.T) {
	for _, v := range rows(t, "settings_nb.csv", 35) {
		var n Narrowband
		c, p := Codec{Bpl: 25.1}, Path{}
		var percent float64
		fields{
			settings: map[string]*Setting{
				"SLR": &n.SLR, "RLR": &n.RLR, "STMR": &n.STMR, "LSTR": &n.LSTR, "Ds": &n.Ds, "Dr": &n.Dr,
				"TELR": &n.TELR, "WEPL": &n.WEPL, "qdu": &n.QDU, "Nc": &n.Nc, "Nfor": &n.Nfor, "Ps": &n.Ps, "Pr": &n.Pr,
			},
			delays:  map[string]*time.Duration{"T": &n.T, "Tr": &n.Tr, "Ta": &p.Delay},
			numbers: map[string]*float64{"Ie": &c.Ie, "Bpl": &c.Bpl, "BurstR": &p.BurstR, "A": &p.Advantage, "Ppl": &percent},
		}.fill(t, v.text("settings"))
		p.Loss = percent / 100
		got := n.Terms(c, p)
		for column, term := range map[string]float64{
			"No": got.No, "Ro": got.Ro, "Iolr": got.Iolr, "Ist": got.Ist, "Iq": got.Iq, "Is": got.Is,
			"Idte": got.Idte, "Idle": got.Idle, "Idd": got.Idd, "IeEff": got.IeEff, "R": got.R,
		} {
			v.want(column, term)
		}
	}
}

func TestWidebandConnectionsOtherThanTheDefault(t *testing.T) {
	for _, v := range rows(t, "settings_wb.csv", 11) {
		var w Wideband
		var p Path
		fields{
			settings: map[string]*Setting{"TELR": &w.TELR, "WEPL": &w.WEPL, "Roe": &w.Roe},
			delays:   map[string]*time.Duration{"T": &w.T, "Tr": &w.Tr, "Ta": &p.Delay},
		}.fill(t, v.text("settings"))
		got := w.Terms(Codec{}, p)
		for column, term := range map[string]float64{"Idte": got.Idte, "Idle": got.Idle, "Idd": got.Idd, "R": got.R} {
			v.want(column, term)
		}
	}
}

func TestDefaultsMayBeSpelledOut(t *testing.T) {
	spelled := Narrowband{
		SLR: Set(8), RLR: Set(2), STMR: Set(15), LSTR: Set(18), Ds: Set(3), Dr: Set(3), TELR: Set(65),
		WEPL: Set(110), QDU: Set(1), Nc: Set(-70), Nfor: Set(-64), Ps: Set(35), Pr: Set(35),
	}
	p := Path{Loss: 0.03, Delay: 230 * time.Millisecond}
	if got, want := spelled.Terms(Codec{Bpl: 4.3}, p), (Narrowband{}).Terms(Codec{}, p); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNegativeEchoDelaysAreNone(t *testing.T) {
	if got, want := (Narrowband{T: -1, Tr: -time.Hour}).Terms(Codec{}, Path{}), (Narrowband{}).Terms(Codec{}, Path{}); got != want {
		t.Errorf("narrowband: got %+v, want %+v", got, want)
	}
	if got, want := (Wideband{T: -1, Tr: -time.Hour}).Terms(Codec{}, Path{}), (Wideband{}).Terms(Codec{}, Path{}); got != want {
		t.Errorf("wideband: got %+v, want %+v", got, want)
	}
}
