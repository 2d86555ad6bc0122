package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
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
