package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/mos"
)

// mosFlags are the flags of earshot mos as given.
type mosFlags struct {
	codec, bitrate, bandwidth string
	cbr                       bool
	scale                     string
	ie, bpl                   float64
	delay, loss, class        string
	burstR, advantage         float64
	codecs                    bool
	csv, output               string

	given func(flag string) bool // whether a flag was on the command line
}

// mosCommand is earshot mos: the E-model as a calculator.
func mosCommand() *cobra.Command {
	var f mosFlags
	cmd := &cobra.Command{
		Use:   "mos",
		Short: "Score a path with the ITU-T E-model",
		Long: `Score a path with the ITU-T E-model: G.107 (narrowband), G.107.1 (wideband) or
G.107.2 (fullband), by the codec. Says what delay, loss and the codec cost, and
who would be satisfied.

Scores on different scales cannot be compared. The path is taken to be free of
echo. Loss counts packets that were lost and packets that came too late.`,
		Example: `  earshot mos --codec pcmu --delay 150ms --loss 2%
  earshot mos --codec opus --bandwidth swb --bitrate 24 --loss 1% --burst-r 1.8
  earshot mos --scale wb --ie 13 --bpl 4.3 --delay 80 --output json
  earshot mos --csv paths.csv > scored.csv`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return mosUsage(fmt.Errorf("unexpected argument %q", args[0]), "everything is given by flags, see earshot mos --help")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.given = cmd.Flags().Changed
			return f.run(cmd)
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return mosUsage(err, "earshot mos --help lists the flags")
	})
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&f.codec, "codec", "", "codec by name, see --codecs (default pcmu)")
	fs.StringVar(&f.bitrate, "bitrate", "", "bit rate in kbit/s of a codec that has several (opus: default 32)")
	fs.StringVar(&f.bandwidth, "bandwidth", "swb", "audio bandwidth of opus: nb, wb or swb")
	fs.BoolVar(&f.cbr, "cbr", false, "opus with constant instead of variable bit rate")
	fs.StringVar(&f.scale, "scale", "nb", "scale for --ie and --bpl without --codec: nb, wb or fb")
	fs.Float64Var(&f.ie, "ie", 0, "equipment impairment factor, in place of the codec's")
	fs.Float64Var(&f.bpl, "bpl", 0, "packet-loss robustness factor, in place of the codec's")
	fs.StringVar(&f.delay, "delay", "0ms", "one-way delay mouth to ear: 150ms, 0.2s, or a number of ms")
	fs.StringVar(&f.loss, "loss", "0%", "packets lost or discarded, in percent: 2% or 2")
	fs.Float64Var(&f.burstR, "burst-r", 1, "burst ratio of the loss, 1 (random) to 8")
	fs.Float64Var(&f.advantage, "advantage", 0, "advantage factor, 0 to 20, on the narrowband scale")
	fs.StringVar(&f.class, "delay-class", "default", "how much the talkers mind delay: default, low or very-low")
	fs.BoolVar(&f.codecs, "codecs", false, "list the codecs with their values and sources")
	fs.StringVar(&f.csv, "csv", "", "score the rows of a CSV file (- for standard input); columns "+strings.Join(csvColumns[:], ","))
	fs.StringVar(&f.output, "output", "text", "text or json")
	return cmd
}

// mosUsage is an error of usage or input: exit code 64, and what to do.
func mosUsage(err error, hint string) error {
	return exitError{code: 64, err: fmt.Errorf("%w\nhint: %s", err, hint)}
}

// run does what the flags ask for.
func (f *mosFlags) run(cmd *cobra.Command) error {
	if f.output != "text" && f.output != "json" {
		return mosUsage(fmt.Errorf("--output %q: must be text or json", f.output), "--output text is the default")
	}
	if f.given("csv") {
		for _, flag := range []string{
			"codec", "bitrate", "bandwidth", "cbr", "scale", "ie", "bpl", "delay", "loss", "burst-r", "advantage",
			"delay-class", "codecs", "output",
		} {
			if f.given(flag) {
				return mosUsage(fmt.Errorf("--csv and --%s exclude each other", flag),
					"with --csv every value comes from the file, and the output is CSV")
			}
		}
		return scoreCSVFile(f.csv, cmd.InOrStdin(), cmd.OutOrStdout())
	}
	if f.codecs {
		return writeOut(listCodecs(cmd.OutOrStdout(), f.output))
	}
	c, err := f.readCodec()
	if err != nil {
		return err
	}
	p, err := f.readPath(c)
	if err != nil {
		return err
	}
	r := rateForReport(c, p)
	if f.output == "json" {
		return writeOut(writeJSON(cmd.OutOrStdout(), r))
	}
	return writeOut(r.writeText(cmd.OutOrStdout()))
}

// writeOut turns an error of writing the result into one with an exit code.
func writeOut(err error) error {
	if err != nil {
		return exitError{code: 2, err: fmt.Errorf("write the result: %w", err)}
	}
	return nil
}

// readCodec finds the codec that the flags name or describe.
func (f *mosFlags) readCodec() (mos.Codec, error) {
	name := f.codec
	own := f.given("ie") || f.given("bpl") || f.given("scale")
	if !f.given("codec") && !own {
		name = "pcmu"
	}
	scale, err := mos.ParseScale(f.scale)
	if err != nil {
		return mos.Codec{}, mosUsage(fmt.Errorf("--%w", err), "nb is G.107, wb is G.107.1, fb is G.107.2")
	}
	c := mos.Codec{Name: "own", Title: "values of the command line", Scale: scale}
	if name != "" || f.given("codec") {
		if c, err = f.namedCodec(name); err != nil {
			return c, err
		}
		if f.given("scale") && scale != c.Scale {
			return c, mosUsage(fmt.Errorf("--scale %v: %s has values on the %v scale", scale, c.Name, c.Scale),
				"leave --scale out, or give --ie and --bpl without --codec")
		}
	} else if f.given("bitrate") || f.given("bandwidth") || f.given("cbr") {
		return c, mosUsage(errors.New("--bitrate, --bandwidth and --cbr need --codec"), "earshot mos --codecs lists the codecs")
	}
	return f.ownValues(c)
}

// ownValues puts --ie and --bpl in the place of the codec's values.
func (f *mosFlags) ownValues(c mos.Codec) (mos.Codec, error) {
	if f.given("ie") {
		if err := checkNumber("ie", c.Scale, f.ie); err != nil {
			return c, mosUsage(fmt.Errorf("--ie: %w", err), numberHint("ie", c.Scale))
		}
		c.Ie = f.ie
	}
	if f.given("bpl") {
		if err := checkNumber("bpl", c.Scale, f.bpl); err != nil {
			return c, mosUsage(fmt.Errorf("--bpl: %w", err), numberHint("bpl", c.Scale))
		}
		c.Bpl, c.BplBursty = f.bpl, 0
	}
	if f.given("ie") || f.given("bpl") || c.Source == "" {
		c.Condition, c.Source, c.ITU = "", "the command line", false
	}
	return c, nil
}

// namedCodec finds the codec of --codec, --bitrate, --bandwidth and --cbr.
func (f *mosFlags) namedCodec(name string) (mos.Codec, error) {
	const hint = "earshot mos --codecs lists every codec and bit rate; --ie and --bpl take values of your own"
	rate := 32.0 // what WebRTC gives opus for speech
	if f.given("bitrate") {
		var err error
		if rate, err = strconv.ParseFloat(strings.TrimSuffix(strings.TrimSuffix(f.bitrate, "bit/s"), "k"), 64); err != nil {
			return mos.Codec{}, mosUsage(fmt.Errorf("--bitrate %q: not a number", f.bitrate), "kbit/s, such as 24")
		}
	}
	if strings.EqualFold(name, "opus") {
		return f.opus(rate)
	}
	if f.given("bandwidth") || f.given("cbr") {
		return mos.Codec{}, mosUsage(fmt.Errorf("--bandwidth and --cbr belong to opus, not to %s", name), hint)
	}
	if f.given("bitrate") {
		c, err := mos.Lookup(name + "-" + strconv.FormatFloat(rate, 'f', -1, 64))
		if err == nil {
			return c, nil
		}
		if c, err = mos.Lookup(name); err == nil && c.KbitPerSecond != rate {
			err = fmt.Errorf("codec %s: has %v kbit/s, not %v", name, c.KbitPerSecond, rate)
		}
		if err != nil {
			return mos.Codec{}, mosUsage(err, hint)
		}
		return c, nil
	}
	c, err := mos.Lookup(name)
	if err != nil {
		return c, mosUsage(err, hint)
	}
	return c, nil
}

// opus finds the values of Opus at a bit rate.
func (f *mosFlags) opus(kbit float64) (mos.Codec, error) {
	scale, ok := map[string]mos.Scale{"nb": mos.NB, "wb": mos.WB, "swb": mos.FB}[strings.ToLower(f.bandwidth)]
	if !ok {
		return mos.Codec{}, mosUsage(fmt.Errorf("--bandwidth %q: must be nb, wb or swb", f.bandwidth),
			"no values are published for opus with more than super-wideband audio")
	}
	mode := mos.VBR
	if f.cbr {
		mode = mos.CBR
	}
	c, err := mos.Opus(scale, mode, kbit)
	if err != nil {
		return c, mosUsage(err, "choose a --bitrate in the range, or another --bandwidth; earshot mos --codecs lists the fitted points")
	}
	return c, nil
}

// readPath reads the path's flags and holds them to the model's range.
func (f *mosFlags) readPath(c mos.Codec) (mos.Path, error) {
	delay, err := parseDelay(f.delay)
	if err != nil {
		return mos.Path{}, mosUsage(fmt.Errorf("--delay %q: %w", f.delay, err), "one way, mouth to ear: 150ms, 0.2s, or a number of ms")
	}
	percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(f.loss, "%")), 64)
	if err != nil {
		return mos.Path{}, mosUsage(fmt.Errorf("--loss %q: not a number", f.loss), "percent: 2% or 2")
	}
	for _, n := range []struct {
		flag, column string
		value        float64
	}{
		{"delay", "delay_ms", milliseconds(delay)},
		{"loss", "loss_percent", percent},
		{"burst-r", "burst_r", f.burstR},
		{"advantage", "advantage", f.advantage},
	} {
		if err := checkNumber(n.column, c.Scale, n.value); err != nil {
			return mos.Path{}, mosUsage(fmt.Errorf("--%s: %w", n.flag, err), numberHint(n.column, c.Scale))
		}
	}
	class, err := mos.ParseSensitivity(f.class)
	if err != nil {
		return mos.Path{}, mosUsage(fmt.Errorf("--delay-class: %w", err), "low and very-low are for talkers who rarely interrupt each other")
	}
	if percent > 0 && c.Bpl == 0 {
		return mos.Path{}, mosUsage(fmt.Errorf("codec %s: no Bpl is published, so that its loss has no cost to score", c.Name),
			"give one with --bpl; 4.3 is that of a codec that conceals nothing")
	}
	return mos.Path{
		Loss: percent / 100, BurstR: f.burstR, Delay: delay, Sensitivity: class, Advantage: f.advantage,
	}, nil
}

// parseDelay reads a duration, or a plain number of milliseconds.
func parseDelay(text string) (time.Duration, error) {
	if ms, err := strconv.ParseFloat(text, 64); err == nil {
		if !(math.Abs(ms) <= 1e9) {
			return 0, errors.New("not a delay")
		}
		return fromMilliseconds(ms), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("neither a duration nor a number")
	}
	return d, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func fromMilliseconds(ms float64) time.Duration {
	return time.Duration(math.Round(ms * float64(time.Millisecond)))
}

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
