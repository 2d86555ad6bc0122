package rtpflow

import "time"

// Least values and defaults of a Config.
const (
	DefaultClockRate = 8000
	DefaultFrame     = 20 * time.Millisecond
	LeastGrace       = time.Second
)

// Config describes the stream to be measured. Its zero value measures an
// 8 kHz stream of 20 ms packets of any payload type, without stamps.
type Config struct {
	// ClockRate is the RTP clock in Hz; 0 stands for 8000.
	ClockRate uint32
	// Frame is the nominal spacing of packets. 0 lets the receiver learn it
	// from the first two consecutive packets.
	Frame time.Duration
	// Grace is how long a missing packet may still come before it is lost.
	// Less than one second stands for one second.
	Grace time.Duration
	// Playout is the modelled de-jitter buffer; the zero value adapts between
	// 20 and 200 ms.
	Playout Playout
	// Accept holds the payload types that belong to the stream; empty: any.
	// Packets of other types are Foreign.
	Accept PayloadSet
	// Events holds the payload types of telephone events (RFC 4733). Their
	// timestamps stand still while time goes on, so they give no sample of
	// jitter or delay.
	Events PayloadSet
	// SSRC is the only source that is measured; 0 locks on the first that
	// comes, and follows a new one that persists.
	SSRC uint32
	// OwnSSRC is the source of our own stream, which reception reports of the
	// far end are about; 0 accepts every report. Only an Echo uses it.
	OwnSSRC uint32
	// StampID is the negotiated id of the echo stamp (URN); 0: none.
	StampID uint8
}

func (c Config) withDefaults() Config {
	if c.ClockRate == 0 {
		c.ClockRate = DefaultClockRate
	}
	if c.Grace < LeastGrace {
		c.Grace = LeastGrace
	}
	c.Playout = c.Playout.withDefaults()
	return c
}

// PayloadSet is a set of RTP payload types, 0 to 127.
type PayloadSet [2]uint64

// PayloadTypes returns the set of the given types. Types above 127 do not
// exist on the wire and are left out.
func PayloadTypes(types ...uint8) PayloadSet {
	var s PayloadSet
	for _, t := range types {
		if t < 128 {
			s[t>>6] |= 1 << (t & 63)
		}
	}
	return s
}

// Has reports whether the type is in the set.
func (s PayloadSet) Has(payloadType uint8) bool {
	return payloadType < 128 && s[payloadType>>6]>>(payloadType&63)&1 != 0
}

// Union returns the types of both sets.
func (s PayloadSet) Union(other PayloadSet) PayloadSet {
	return PayloadSet{s[0] | other[0], s[1] | other[1]}
}

// Empty reports whether the set holds no type.
func (s PayloadSet) Empty() bool { return s[0]|s[1] == 0 }
