package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/earshot-voip/earshot/mos"
)

// mosReport is the result of earshot mos, as --output json writes it.
type mosReport struct {
	Schema string    `json:"schema"`
	Codec  mosCodec  `json:"codec"`
	Path   mosPath   `json:"path"`
	Score  mosScore  `json:"score"`
	BestR  float64   `json:"best_r"`
	G109   string    `json:"category"`
	Good   float64   `json:"good_or_better_ratio"`
	Poor   float64   `json:"poor_or_worse_ratio"`
	Notes  []string  `json:"notes"`
	codec  mos.Codec // for the text
	path   mos.Path
}

// mosCodec is a codec in JSON; what is not published is null.
type mosCodec struct {
	Name      string    `json:"name"`
	Title     string    `json:"title"`
	Scale     mos.Scale `json:"scale"`
	Kbit      *float64  `json:"kbit_per_second"`
	Ie        float64   `json:"ie"`
	Bpl       *float64  `json:"bpl"`
	BplBursty *float64  `json:"bpl_bursty"`
	Condition string    `json:"condition"`
	Source    string    `json:"source"`
	ITU       bool      `json:"itu"`
}

type mosPath struct {
	DelaySeconds float64 `json:"delay_seconds"`
	DelayClass   string  `json:"delay_class"`
	LossRatio    float64 `json:"loss_ratio"`
	BurstR       float64 `json:"burst_r"`
	Advantage    float64 `json:"advantage"`
}

type mosScore struct {
	Scale        mos.Scale `json:"scale"`
	R            float64   `json:"r"`
	MOS          float64   `json:"mos"`
	MOSListening float64   `json:"mos_listening"`
	DelayCost    float64   `json:"delay_cost"`
	LossCost     float64   `json:"loss_cost"`
	CodecCost    float64   `json:"codec_cost"`
}

// rateForReport scores and gathers what there is to say about the score.
func rateForReport(c mos.Codec, p mos.Path) mosReport {
	s := mos.Rate(c, p)
	return mosReport{
		Schema: "earshot.mos/v1",
		Codec:  codecForJSON(c),
		Path: mosPath{
			DelaySeconds: p.Delay.Seconds(), DelayClass: p.Sensitivity.String(),
			LossRatio: p.Loss, BurstR: p.BurstR, Advantage: p.Advantage,
		},
		Score: mosScore{
			Scale: s.Scale, R: s.R, MOS: s.MOS, MOSListening: mos.Listening(c, p).MOS,
			DelayCost: s.DelayCost, LossCost: s.LossCost, CodecCost: s.CodecCost,
		},
		BestR: s.Scale.Best(),
		G109:  s.Category().String(),
		Good:  s.Scale.GoodOrBetter(s.R),
		Poor:  s.Scale.PoorOrWorse(s.R),
		Notes: mosNotes(c, p),
		codec: c,
		path:  p,
	}
}

// codecForJSON gives a codec its form in JSON.
func codecForJSON(c mos.Codec) mosCodec {
	known := func(x float64) *float64 {
		if x == 0 {
			return nil
		}
		return &x
	}
	return mosCodec{
		Name: c.Name, Title: c.Title, Scale: c.Scale, Kbit: known(c.KbitPerSecond), Ie: c.Ie, Bpl: known(c.Bpl),
		BplBursty: known(c.BplBursty), Condition: c.Condition, Source: c.Source, ITU: c.ITU,
	}
}

// mosNotes says where the score leaves the ground that the Recommendations are
// sure of.
func mosNotes(c mos.Codec, p mos.Path) []string {
	notes := []string{}
	if strings.HasPrefix(c.Name, "opus") && !c.ITU {
		notes = append(notes, "no ITU value exists for Opus; the score is provisional")
	}
	if c.Scale != mos.NB {
		if p.BurstR > 1 {
			notes = append(notes, "BurstR is not part of "+c.Scale.Recommendation()+"; it is used as in G.107")
		}
		if p.Sensitivity != mos.DefaultSensitivity {
			notes = append(notes, "delay classes are not part of "+c.Scale.Recommendation()+"; they are used as in G.107")
		}
	}
	if p.BurstR > 2 && p.Loss >= 0.02 {
		notes = append(notes, "G.107 means a BurstR above 2 for losses under 2 % only")
	}
	if p.Loss > 0.2 {
		notes = append(notes, "G.107 was made for losses up to 20 %")
	}
	if p.Delay > 500*time.Millisecond {
		notes = append(notes, "G.107 was made for delays up to 500 ms")
	}
	return notes
}

// writeJSON writes v as one indented JSON value.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeText writes the report for a person.
func (r mosReport) writeText(w io.Writer) error {
	scale := map[mos.Scale]string{mos.NB: "narrowband", mos.WB: "wideband", mos.FB: "fullband"}[r.Score.Scale]
	var b strings.Builder
	line := func(label, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s%s\n", label, fmt.Sprintf(format, args...))
	}
	cost := func(sign, what string, value float64) { fmt.Fprintf(&b, "%s %-30s%7.1f\n", sign, what, value) }

	line("codec", "%s: %s", r.codec.Name, r.codec.Title)
	values := fmt.Sprintf("Ie %.4g", r.codec.Ie)
	if r.codec.Bpl > 0 {
		values += fmt.Sprintf(", Bpl %.4g", r.codec.Bpl)
	}
	if r.codec.Condition != "" {
		values += "; " + r.codec.Condition
	}
	line("", "%s", values)
	line("", "from: %s", r.codec.Source)
	line("path", "one-way delay %.4g ms (%v sensitivity), loss %.4g %%, BurstR %.4g", milliseconds(r.path.Delay),
		r.path.Sensitivity, 100*r.path.Loss, r.path.BurstR)
	b.WriteString("\n")
	cost(" ", "best on the "+scale+" scale", r.BestR)
	cost("-", "delay", r.Score.DelayCost)
	cost("-", "loss", r.Score.LossCost)
	cost("-", "codec", r.Score.CodecCost)
	if r.path.Advantage > 0 {
		cost("+", "advantage", r.path.Advantage)
	}
	cost("=", "R", r.Score.R)
	b.WriteString("\n")
	line("MOS", "%.2f on the %s scale (%s)", r.Score.MOS, scale, r.Score.Scale.Recommendation())
	line("listening", "%.2f (without the delay)", r.Score.MOSListening)
	line("category", "%s (G.109)", r.G109)
	line("users", "good or better %.1f %%, poor or worse %.1f %%", 100*r.Good, 100*r.Poor)
	for _, note := range r.Notes {
		line("note", "%s", note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// listCodecs writes the table of codecs.
func listCodecs(w io.Writer, output string) error {
	all := mos.Codecs()
	if output == "json" {
		list := make([]mosCodec, len(all))
		for i, c := range all {
			list[i] = codecForJSON(c)
		}
		return writeJSON(w, list)
	}
	slices.SortStableFunc(all, func(a, b mos.Codec) int { return cmp.Compare(a.Scale, b.Scale) })
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "CODEC\tSCALE\tKBIT/S\tIE\tBPL\tSOURCE")
	for _, c := range all {
		bpl := "-"
		if c.Bpl > 0 {
			bpl = fmt.Sprintf("%.4g", c.Bpl)
		}
		fmt.Fprintf(tab, "%s\t%v\t%v\t%.4g\t%s\t%s\n", c.Name, c.Scale, c.KbitPerSecond, c.Ie, bpl, c.Source)
	}
	return tab.Flush()
}
