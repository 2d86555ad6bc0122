package capture

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Codec is what a payload type stands for.
type Codec struct {
	Name      string // encoding name as SDP writes it
	ClockRate uint32 // of the RTP timestamp, Hz
}

// telephoneEvent is the encoding name of RFC 4733, and the payload type under
// which it is taken for granted, as Wireshark does.
const (
	telephoneEvent = "telephone-event"
	eventType      = 101
	comfortNoise   = 13
)

// staticTypes are the payload types that have a meaning of their own (RFC 3551,
// tables 4 and 5; types 1 and 2 as RFC 1890 had them).
var staticTypes = map[uint8]Codec{
	1:  {"1016", 8000},
	2:  {"G726-32", 8000},
	3:  {"GSM", 8000},
	4:  {"G723", 8000},
	5:  {"DVI4", 8000},
	6:  {"DVI4", 16000},
	7:  {"LPC", 8000},
	0:  {"PCMU", 8000},
	8:  {"PCMA", 8000},
	9:  {"G722", 8000}, // samples at 16 kHz; the clock is a slip of RFC 1890 that stayed
	10: {"L16", 44100},
	11: {"L16", 44100},
	12: {"QCELP", 8000},
	13: {"CN", 8000},
	14: {"MPA", 90000},
	15: {"G728", 8000},
	16: {"DVI4", 11025},
	17: {"DVI4", 22050},
	18: {"G729", 8000},
	25: {"CelB", 90000},
	26: {"JPEG", 90000},
	28: {"nv", 90000},
	31: {"H261", 90000},
	32: {"MPV", 90000},
	33: {"MP2T", 90000},
	34: {"H263", 90000},
}

// plausible reports whether a stream of this payload type may be believed in
// without being told its port: a static type, or one of the ranges of dynamic
// types (RFC 3551, 3: 96 to 127, then 35 to 63; 64 to 95 collide with RTCP).
func plausible(payloadType uint8) bool {
	if payloadType >= 96 || payloadType >= 35 && payloadType < 64 {
		return true
	}
	_, ok := staticTypes[payloadType]
	return ok
}

// ParseCodec reads what an rtpmap attribute says of a payload type (RFC 8866,
// 6.6): "opus/48000", "opus/48000/2", "telephone-event/8000".
func ParseCodec(text string) (Codec, error) {
	name, rest, ok := strings.Cut(text, "/")
	if !ok || name == "" {
		return Codec{}, fmt.Errorf("%q is not of the form NAME/CLOCKRATE", text)
	}
	rate, channels, more := strings.Cut(rest, "/")
	if _, err := strconv.ParseUint(channels, 10, 8); more && err != nil {
		return Codec{}, fmt.Errorf("%q: %q is not a number of channels", text, channels)
	}
	hz, err := ParseClockRate(rate)
	if err != nil {
		return Codec{}, fmt.Errorf("%q: %w", text, err)
	}
	for _, c := range name {
		if c <= ' ' || c > '~' {
			return Codec{}, fmt.Errorf("%q: a codec name is of visible ASCII characters", text)
		}
	}
	return Codec{Name: name, ClockRate: hz}, nil
}

// ParseClockRate reads an RTP clock rate, 1000 to 1,000,000 Hz.
func ParseClockRate(text string) (uint32, error) {
	hz, err := strconv.ParseUint(text, 10, 32)
	if err != nil || hz < 1000 || hz > 1e6 {
		return 0, fmt.Errorf("clock rate %q is not a number of 1000 to 1000000 Hz", text)
	}
	return uint32(hz), nil
}

// lookAhead is how much longer than its frame an encoder waits: G.729 (3.1),
// G.723.1 (2), RFC 6716 (2; 6.5 ms with the delay of the resampler).
func lookAhead(codec string) time.Duration {
	switch strings.ToLower(codec) {
	case "g729", "g729a", "g729-a", "g729ab", "g729a-vad":
		return 5 * time.Millisecond
	case "g723", "g7231-6.3", "g7231-5.3":
		return 7500 * time.Microsecond
	case "opus":
		return 6500 * time.Microsecond
	}
	return 0
}
