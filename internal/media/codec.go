package media

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bandwidth is the audio bandwidth of a clip, which decides the E-model's scale.
type Bandwidth string

// The bandwidths of RFC 6716, table 1, as far as the clips use them.
const (
	Narrowband    Bandwidth = "NB"  // 4 kHz
	SuperWideband Bandwidth = "SWB" // 12 kHz
)

// RateMode says whether every frame of a clip has the same size.
type RateMode string

// The rate modes.
const (
	ConstantRate RateMode = "CBR"
	VariableRate RateMode = "VBR"
)

// Codec is one way to encode a call: what SDP says about it, what the RTP clock
// does, and what the E-model must know. The values come from [Lookup].
type Codec struct {
	Name        string // encoding name as SDP writes it: "PCMU", "PCMA", "opus"
	PayloadType uint8  // as Earshot offers it: static for G.711 (RFC 3551), dynamic for Opus
	ClockRate   uint32 // of the RTP timestamp, Hz
	Channels    uint16 // in SDP; Opus always says 2, whatever it carries (RFC 7587 section 4.1)
	Fmtp        string // format parameters, empty for none

	Frame         time.Duration // audio per packet
	TicksPerFrame uint32        // of the RTP timestamp
	LookAhead     time.Duration // how much the encoder waits beyond the frame itself

	Bandwidth Bandwidth // of the clip
	RateMode  RateMode  // of the clip
	BitRate   int       // of the clip, bit/s of payload, as the encoder was told
}

// codecs is the table. Opus is coded at a rate and bandwidth for which
// impairment factors are published (SWB, VBR, 14 to 40 kbit/s); its look-ahead
// is what the encoder of the clip declares as pre-skip, 312 samples at 48 kHz.
var codecs = [...]Codec{
	{
		Name: "PCMU", PayloadType: 0, ClockRate: 8000, Channels: 1,
		Frame: 20 * time.Millisecond, TicksPerFrame: 160,
		Bandwidth: Narrowband, RateMode: ConstantRate, BitRate: 64000,
	},
	{
		Name: "PCMA", PayloadType: 8, ClockRate: 8000, Channels: 1,
		Frame: 20 * time.Millisecond, TicksPerFrame: 160,
		Bandwidth: Narrowband, RateMode: ConstantRate, BitRate: 64000,
	},
	{
		Name: "opus", PayloadType: 111, ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1",
		Frame: 20 * time.Millisecond, TicksPerFrame: 960, LookAhead: 6500 * time.Microsecond,
		Bandwidth: SuperWideband, RateMode: VariableRate, BitRate: 32000,
	},
}

// Lookup finds a codec by its name, whatever its case. The error names the
// codecs there are.
func Lookup(name string) (Codec, error) {
	for _, c := range codecs {
		if strings.EqualFold(c.Name, name) {
			return c, nil
		}
	}
	return Codec{}, fmt.Errorf("unknown codec %q; hint: use one of %s", name, strings.Join(Names(), ", "))
}

// Preferring returns all codecs: first the given one, then the others.
func Preferring(first Codec) []Codec {
	all := []Codec{first}
	for _, c := range codecs {
		if c.Name != first.Name {
			all = append(all, c)
		}
	}
	return all
}

// Names returns the names of all codecs, in lower case as flags spell them.
func Names() []string {
	names := make([]string, len(codecs))
	for i, c := range codecs {
		names[i] = strings.ToLower(c.Name)
	}
	return names
}

// RTPMap is the codec in an rtpmap attribute (RFC 8866 section 6.6), without
// the payload type: "PCMU/8000", "opus/48000/2".
func (c Codec) RTPMap() string {
	s := c.Name + "/" + strconv.FormatUint(uint64(c.ClockRate), 10)
	if c.Channels > 1 {
		s += "/" + strconv.FormatUint(uint64(c.Channels), 10)
	}
	return s
}
