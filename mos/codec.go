package mos

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// defaultBpl is the packet-loss robustness that G.107 takes when none is given:
// that of G.711 without concealment.
const defaultBpl = 4.3

// Codec is what the E-model needs to know of a codec. [Lookup] and [Opus] give
// those that are published; own values can be filled in. The zero Codec costs
// nothing on the narrowband scale and has no loss concealment.
type Codec struct {
	// Name is the short name, such as g711 or amr-wb-12.65.
	Name string
	// Title is the name in words with the bit rate.
	Title string
	// Scale is the scale on which Ie and Bpl are values.
	Scale Scale
	// KbitPerSecond is the bit rate in kbit/s.
	KbitPerSecond float64
	// Ie is the equipment impairment factor, 0..95 (NB, WB) or 0..132 (FB).
	// [Rate] takes less than 0 for 0; more, and NaN, for the upper end.
	Ie float64
	// Bpl is the packet-loss robustness factor for random loss, over 0. 0 says
	// that none is published. [Rate] takes 0, less, and NaN for 4.3, the
	// default of G.107 and the value of a codec that conceals nothing.
	Bpl float64
	// BplBursty is the robustness that was fitted under bursty loss, 0 if none.
	// [Rate] does not use it: it already has burstiness in it, so that BurstR
	// on top would count it twice, and which BurstR it stands for is not known.
	BplBursty float64
	// Condition says for what the values hold.
	Condition string
	// Source says where the values are from.
	Source string
	// ITU tells values of an ITU-T Recommendation from others.
	ITU bool
}

// tidy returns c with Ie and Bpl inside the model of scale s.
func (c Codec) tidy(s Scale) Codec {
	if math.IsNaN(c.Ie) {
		c.Ie = s.ceiling()
	}
	c.Ie = clamp(c.Ie, 0, s.ceiling())
	if !(c.Bpl > 0) {
		c.Bpl = defaultBpl
	}
	return c
}

// ErrNoValue is the cause when nothing was published from which a codec could
// be scored, and no value is made up in its place.
var ErrNoValue = errors.New("no value is published")

// Lookup returns the codec of the table with this name, in any case. PCMU and
// PCMA are G.711 with packet loss concealment, as in every current decoder. A
// name without bit rate, such as amr-wb, stands for several codecs and is
// refused with the names to choose from. Opus is in [Opus].
//
// For codecs that have no published values the error wraps [ErrNoValue].
func Lookup(name string) (Codec, error) {
	want := strings.ToLower(name)
	if a, ok := aliases[want]; ok {
		want = a
	}
	if reason, ok := unpublished[want]; ok {
		return Codec{}, fmt.Errorf("codec %s: %w: %s", name, ErrNoValue, reason)
	}
	var family []string
	for _, c := range table {
		if c.Name == want {
			return c, nil
		}
		if strings.HasPrefix(c.Name, want+"-") {
			family = append(family, c.Name)
		}
	}
	if len(family) > 0 {
		return Codec{}, fmt.Errorf("codec %s: must be one of %s", name, strings.Join(family, ", "))
	}
	return Codec{}, fmt.Errorf("codec %s: not in the table", name)
}

// Codecs returns every codec of the table, the 37 fitted points of Opus last.
func Codecs() []Codec {
	all := slices.Clone(table)
	for _, points := range opus {
		for _, p := range points.rows {
			all = append(all, points.codec(p))
		}
	}
	return all
}

// aliases are the other names of codecs in the table: those of RTP payload
// types (RFC 3551) and those people say.
var aliases = map[string]string{
	"pcmu": "g711", "pcma": "g711", "g.711": "g711", "g711-plc": "g711",
	"g729a": "g729a-vad", "g729ab": "g729a-vad", "g.729": "g729", "g.729a": "g729a-vad",
	"g721": "g726-32", "gsm": "gsm-fr", "g722.2": "amr-wb",
}

// unpublished are codecs people ask for that have no values, and why.
var unpublished = map[string]string{
	"amr":    "G.113 (2024) has none for AMR-NB; putting GSM-EFR in its place is a substitution",
	"amr-nb": "G.113 (2024) has none for AMR-NB; putting GSM-EFR in its place is a substitution",
	"ilbc":   "figures seen in programs are fits or guesses of their authors",
	"silk":   "fits exist in a paper (Assem and others, 2013) whose numbers were not read",
	"speex":  "fits exist in a paper (Assem and others, 2013) whose numbers were not read",
	"evs-nb": "G.113 (09/2024) has EVS in its super-wideband mode only",
	"evs-wb": "G.113 (09/2024) has EVS in its super-wideband mode only",
	"opus":   "not without an audio bandwidth and a bit rate; Opus has those of the peer-reviewed set",
	"lc3":    "G.113 (2024) has LC3plus, but its numbers were not read",
}

// Sources of the table. "Recalled" values were not read again in the text.
const (
	g113Table4 = "ITU-T G.113 Appendix I, Table I.4 (2024; unchanged since 2007)"
	g113Table1 = "ITU-T G.113 Appendix I, Table I.1 (2024; unchanged since 2007)"
	g113Recall = "ITU-T G.113 Appendix I, Table I.1, recalled"
	g113WB     = "ITU-T G.113 Appendix IV, recalled"
	amrMonotic = "ITU-T G.113 (09/2024), Table IV.1, as quoted by sipnab"
	amrDiotic  = "ITU-T G.113 (09/2024), Tables IV.3 and IV.4, as quoted by sipnab"
	g113EVS    = "ITU-T G.113 (09/2024), Appendix V, as quoted by sipnab"

	noBpl   = "no Bpl is published"
	monotic = "handset at one ear; no Bpl is published"
	diotic  = "both ears, uniform loss"
	dioticB = "both ears, uniform loss; no Bpl is published"
	evsBoth = "super-wideband mode, both ears"
)

// table holds the published codecs, sorted by scale and family.
var table = []Codec{
	{Name: "g711", Title: "G.711 (PCMU, PCMA) with concealment, 64 kbit/s", KbitPerSecond: 64, Ie: 0, Bpl: 25.1, Condition: "concealment of G.711 Appendix I, 10 ms packets, random loss", Source: g113Table4, ITU: true},
	{Name: "g711-noplc", Title: "G.711 (PCMU, PCMA) without concealment, 64 kbit/s", KbitPerSecond: 64, Ie: 0, Bpl: 4.3, Condition: "10 ms packets, random loss", Source: g113Table4, ITU: true},
	{Name: "g729a-vad", Title: "G.729A with VAD, 8 kbit/s", KbitPerSecond: 8, Ie: 11, Bpl: 19, Condition: "20 ms packets, its own concealment", Source: g113Table4, ITU: true},
	{Name: "g7231-6.3", Title: "G.723.1 with VAD, 6.3 kbit/s", KbitPerSecond: 6.3, Ie: 15, Bpl: 16.1, Condition: "30 ms packets, its own concealment", Source: g113Table4, ITU: true},
	{Name: "gsm-efr", Title: "GSM-EFR, 12.2 kbit/s", KbitPerSecond: 12.2, Ie: 5, Bpl: 10, Condition: "20 ms packets, its own concealment", Source: g113Table4, ITU: true},
	{Name: "g729", Title: "G.729 and G.729A without VAD, 8 kbit/s", KbitPerSecond: 8, Ie: 10, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "g7231-5.3", Title: "G.723.1 ACELP, 5.3 kbit/s", KbitPerSecond: 5.3, Ie: 19, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "g726-40", Title: "G.726 and G.727, 40 kbit/s", KbitPerSecond: 40, Ie: 2, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "g726-32", Title: "G.726, G.727 and G.721, 32 kbit/s", KbitPerSecond: 32, Ie: 7, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "g726-24", Title: "G.726 and G.727, 24 kbit/s", KbitPerSecond: 24, Ie: 25, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "g726-16", Title: "G.726 and G.727, 16 kbit/s", KbitPerSecond: 16, Ie: 50, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "g728-16", Title: "G.728, 16 kbit/s", KbitPerSecond: 16, Ie: 7, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "g728-12.8", Title: "G.728, 12.8 kbit/s", KbitPerSecond: 12.8, Ie: 20, Condition: noBpl, Source: g113Table1, ITU: true},
	{Name: "gsm-fr", Title: "GSM-FR (06.10), 13 kbit/s", KbitPerSecond: 13, Ie: 20, Condition: noBpl, Source: g113Recall, ITU: true},
	{Name: "gsm-hr", Title: "GSM-HR (06.20), 5.6 kbit/s", KbitPerSecond: 5.6, Ie: 23, Condition: noBpl, Source: g113Recall, ITU: true},
	{Name: "is641", Title: "TIA IS-641, 7.4 kbit/s", KbitPerSecond: 7.4, Ie: 10, Condition: noBpl, Source: g113Table1, ITU: true},

	{Name: "g722-64", Title: "G.722, 64 kbit/s", Scale: WB, KbitPerSecond: 64, Ie: 13, Condition: noBpl, Source: g113WB, ITU: true},
	{Name: "g722-56", Title: "G.722, 56 kbit/s", Scale: WB, KbitPerSecond: 56, Ie: 20, Condition: noBpl, Source: g113WB, ITU: true},
	{Name: "g722-48", Title: "G.722, 48 kbit/s", Scale: WB, KbitPerSecond: 48, Ie: 31, Condition: noBpl, Source: g113WB, ITU: true},
	{Name: "g722.1-32", Title: "G.722.1, 32 kbit/s", Scale: WB, KbitPerSecond: 32, Ie: 13, Condition: noBpl, Source: g113WB, ITU: true},
	{Name: "g722.1-24", Title: "G.722.1, 24 kbit/s", Scale: WB, KbitPerSecond: 24, Ie: 19, Condition: noBpl, Source: g113WB, ITU: true},
	{Name: "g711-wb", Title: "G.711 on the wideband scale, 64 kbit/s", Scale: WB, KbitPerSecond: 64, Ie: 36, Condition: "129 - 93.2 = 35.8, published rounded; no Bpl is published", Source: g113WB, ITU: true},

	{Name: "amr-wb-6.6", Title: "AMR-WB (G.722.2), 6.6 kbit/s", Scale: WB, KbitPerSecond: 6.6, Ie: 41, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-8.85", Title: "AMR-WB (G.722.2), 8.85 kbit/s", Scale: WB, KbitPerSecond: 8.85, Ie: 26, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-12.65", Title: "AMR-WB (G.722.2), 12.65 kbit/s", Scale: WB, KbitPerSecond: 12.65, Ie: 13, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-14.25", Title: "AMR-WB (G.722.2), 14.25 kbit/s", Scale: WB, KbitPerSecond: 14.25, Ie: 10, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-15.85", Title: "AMR-WB (G.722.2), 15.85 kbit/s", Scale: WB, KbitPerSecond: 15.85, Ie: 7, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-18.25", Title: "AMR-WB (G.722.2), 18.25 kbit/s", Scale: WB, KbitPerSecond: 18.25, Ie: 5, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-19.85", Title: "AMR-WB (G.722.2), 19.85 kbit/s", Scale: WB, KbitPerSecond: 19.85, Ie: 3, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-23.05", Title: "AMR-WB (G.722.2), 23.05 kbit/s", Scale: WB, KbitPerSecond: 23.05, Ie: 1, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-23.85", Title: "AMR-WB (G.722.2), 23.85 kbit/s", Scale: WB, KbitPerSecond: 23.85, Ie: 8, Condition: monotic, Source: amrMonotic, ITU: true},
	{Name: "amr-wb-6.6-diotic", Title: "AMR-WB (G.722.2), 6.6 kbit/s", Scale: WB, KbitPerSecond: 6.6, Ie: 56, Condition: dioticB, Source: amrDiotic, ITU: true},
	{Name: "amr-wb-8.85-diotic", Title: "AMR-WB (G.722.2), 8.85 kbit/s", Scale: WB, KbitPerSecond: 8.85, Ie: 41, Condition: dioticB, Source: amrDiotic, ITU: true},
	{Name: "amr-wb-12.65-diotic", Title: "AMR-WB (G.722.2), 12.65 kbit/s", Scale: WB, KbitPerSecond: 12.65, Ie: 20, Bpl: 4.3, Condition: diotic, Source: amrDiotic, ITU: true},
	{Name: "amr-wb-15.85-diotic", Title: "AMR-WB (G.722.2), 15.85 kbit/s", Scale: WB, KbitPerSecond: 15.85, Ie: 17, Condition: dioticB, Source: amrDiotic, ITU: true},
	{Name: "amr-wb-23.05-diotic", Title: "AMR-WB (G.722.2), 23.05 kbit/s", Scale: WB, KbitPerSecond: 23.05, Ie: 8, Bpl: 4.6, Condition: diotic, Source: amrDiotic, ITU: true},
	{Name: "amr-wb-23.85-diotic", Title: "AMR-WB (G.722.2), 23.85 kbit/s", Scale: WB, KbitPerSecond: 23.85, Ie: 10, Bpl: 4.9, Condition: diotic, Source: amrDiotic, ITU: true},

	{Name: "evs-9.6", Title: "EVS, 9.6 kbit/s", Scale: FB, KbitPerSecond: 9.6, Ie: 22.7, Bpl: 13, Condition: evsBoth, Source: g113EVS, ITU: true},
	{Name: "evs-13.2", Title: "EVS, 13.2 kbit/s", Scale: FB, KbitPerSecond: 13.2, Ie: 17.1, Bpl: 11.7, Condition: evsBoth, Source: g113EVS, ITU: true},
	{Name: "evs-16.4", Title: "EVS, 16.4 kbit/s", Scale: FB, KbitPerSecond: 16.4, Ie: 10.8, Bpl: 10.3, Condition: evsBoth, Source: g113EVS, ITU: true},
	{Name: "evs-24.4", Title: "EVS, 24.4 kbit/s", Scale: FB, KbitPerSecond: 24.4, Ie: 7.2, Bpl: 11.4, Condition: evsBoth, Source: g113EVS, ITU: true},
	{Name: "evs-32", Title: "EVS, 32 kbit/s", Scale: FB, KbitPerSecond: 32, Ie: 8.7, Bpl: 9.3, Condition: evsBoth, Source: g113EVS + "; printed as 2 kbit/s there (Erratum 1, 01/2026)", ITU: true},
	{Name: "evs-48", Title: "EVS, 48 kbit/s", Scale: FB, KbitPerSecond: 48, Ie: 10.2, Bpl: 9.6, Condition: evsBoth, Source: g113EVS, ITU: true},
}
