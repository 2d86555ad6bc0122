package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/earshot-voip/earshot/internal/capture"
)

// exitNothing is the exit code of earshot analyze for a capture without RTP: as
// with a call that could not be measured, nothing is known.
const exitNothing = 3

// analyzeFlags are the flags of earshot analyze as given.
type analyzeFlags struct {
	ports        []string
	clockRate    string
	payloadTypes []string
	delay        time.Duration
	maxStreams   int
	output       string
}

// analyzeCommand is earshot analyze: the core over a packet capture.
func analyzeCommand() *cobra.Command {
	var f analyzeFlags
	cmd := &cobra.Command{
		Use:   "analyze FILE",
		Short: "Measure and score the RTP streams of a capture",
		Long: `Measure and score the RTP streams of a packet capture: pcap or pcapng, also
compressed with gzip; - reads standard input. Encrypted media (SRTP) is fine.

RTP is found by its looks on any UDP port, or taken for granted with --port.
Packets, packets_lost and the maximum of the jitter are those of Wireshark;
packets_missing and what follows from it is what a listener missed. The network's
delay is not in a capture: scores are for listening unless --delay gives it.

Exit codes: 0 read to the end; 2 truncated or damaged, what could be read is
reported; 3 no RTP stream found; 64 usage, or not a capture.`,
		Example: `  earshot analyze call.pcap
  earshot analyze call.pcapng --payload-type 111=opus/48000 --delay 40ms
  tcpdump -w - udp | earshot analyze - --output json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage(fmt.Errorf("analyze takes one capture, got %d arguments", len(args)), "earshot analyze call.pcap, or - for standard input")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringArrayVar(&f.ports, "port", nil, "look at this UDP port only, where everything is RTP or RTCP; may be repeated")
	fs.StringArrayVar(&f.payloadTypes, "payload-type", nil, "what a payload type stands for: 111=opus/48000; may be repeated")
	fs.StringVar(&f.clockRate, "clock-rate", "", "clock rate in Hz of dynamic payload types (default: learned from each stream)")
	fs.DurationVar(&f.delay, "delay", 0, "one-way delay of the network, to score for conversation")
	fs.IntVar(&f.maxStreams, "max-streams", capture.DefaultMaxStreams, "most streams to measure; each takes some 20 kB")
	outputFlag(cmd, &f.output)
	return cmd
}

// options reads what the flags say.
func (f *analyzeFlags) options(cmd *cobra.Command) (capture.Options, error) {
	o := capture.Options{
		PayloadTypes: map[uint8]capture.Codec{}, MaxStreams: f.maxStreams,
		Delay: f.delay, DelayKnown: cmd.Flags().Changed("delay"),
	}
	var wrong problems
	wrong.add("--output", checkOutput(f.output))
	for _, text := range f.ports {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n == 0 {
			wrong.add("--port", fmt.Errorf("%q is not a number of 1 to 65535", text))
		}
		o.Ports = append(o.Ports, uint16(n))
	}
	for _, text := range f.payloadTypes {
		payloadType, codec, err := parsePayloadType(text)
		wrong.add("--payload-type", err)
		o.PayloadTypes[payloadType] = codec
	}
	if f.clockRate != "" {
		var err error
		o.ClockRate, err = capture.ParseClockRate(f.clockRate)
		wrong.add("--clock-rate", err)
	}
	if f.delay < 0 || f.delay > time.Minute {
		wrong.add("--delay", fmt.Errorf("must be 0 to 1m, is %v", f.delay))
	}
	if f.maxStreams < 1 {
		wrong.add("--max-streams", fmt.Errorf("must be at least 1, is %d", f.maxStreams))
	}
	return o, wrong.usage("earshot analyze --help explains the flags")
}

// parsePayloadType reads "111=opus/48000".
func parsePayloadType(text string) (uint8, capture.Codec, error) {
	number, codec, ok := strings.Cut(text, "=")
	n, err := strconv.ParseUint(number, 10, 7)
	if !ok || err != nil {
		return 0, capture.Codec{}, fmt.Errorf("%q is not of the form TYPE=NAME/CLOCKRATE with a type of 0 to 127", text)
	}
	c, err := capture.ParseCodec(codec)
	return uint8(n), c, err
}

// run reads the capture and reports.
func (f *analyzeFlags) run(cmd *cobra.Command, name string) error {
	o, err := f.options(cmd)
	if err != nil {
		return err
	}
	in, label := cmd.InOrStdin(), "standard input"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return usage(err, "analyze takes the name of a capture that can be read, or - for standard input")
		}
		defer file.Close()
		in, label = file, name
	}
	report, err := capture.Analyze(in, o)
	var damage *capture.DamageError
	if err != nil && !errors.As(err, &damage) {
		return notCapture(label, err)
	}
	report.Name = label
	if err := f.write(cmd.OutOrStdout(), report); err != nil {
		return exitError{exitFailed, fmt.Errorf("write the result: %w", err)}
	}
	if damage != nil {
		return exitError{exitFailed, withHint(fmt.Errorf("%s: %w", label, damage), damageHint(report, damage))}
	}
	if len(report.Streams) == 0 {
		return exitError{exitNothing, withHint(fmt.Errorf("%s: no RTP stream found", label), nothingHint(report, o.Ports))}
	}
	return nil
}

// write hands the whole result on at once.
func (f *analyzeFlags) write(w io.Writer, r *capture.Report) error {
	var b bytes.Buffer
	write := r.WriteText
	if f.output == "json" {
		write = r.WriteJSON
	}
	if err := write(&b); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// notCapture is an error of input that gave no report.
func notCapture(label string, err error) error {
	hint := "check that the file can be read to its end"
	switch {
	case errors.Is(err, capture.ErrEmpty):
		hint = "nothing was captured, or the capture is still in the buffer of the program that writes it"
	case errors.Is(err, capture.ErrFormat):
		hint = "analyze reads pcap and pcapng, as tcpdump and Wireshark write them, also in gzip"
	}
	return usage(fmt.Errorf("%s: %w", label, err), hint)
}

func damageHint(r *capture.Report, d *capture.DamageError) string {
	read := fmt.Sprintf("the %d packets before that are reported", r.File.Packets)
	if d.Truncated {
		return read + "; was the copy complete, and the capture ended before it was read?"
	}
	return read + "; capture again, or cut the file with editcap"
}

// nothingHint says what was in the capture instead, and what to try.
func nothingHint(r *capture.Report, ports []uint16) string {
	f := &r.File
	udp := f.Stray + f.RTCP + f.OtherUDP
	switch {
	case f.Packets == 0:
		return "the capture has no packets: check the capture filter"
	case f.Undecodable == f.Packets:
		return fmt.Sprintf("none of the %d packets could be decoded (%s)", f.Packets, strings.Join(f.LinkTypes, ", "))
	case udp == 0:
		return fmt.Sprintf("none of the %d packets are UDP: capture on the interface that carries the media", f.Packets)
	case len(ports) > 0:
		return fmt.Sprintf("%d packets are UDP; without --port every port is searched", udp)
	}
	return fmt.Sprintf("%d packets are UDP; --port takes the packets of a port for RTP", udp)
}
