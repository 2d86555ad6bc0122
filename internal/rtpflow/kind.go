package rtpflow

// Kind says how a far end returns media; it decides which direction a lost
// packet can be told to.
type Kind uint8

// The kinds of echoes.
const (
	// KindUnknown: too little has come back to tell, or what comes is not ours.
	KindUnknown Kind = iota
	// KindStamping returns the echo stamp: both directions are exact.
	KindStamping
	// KindReflector returns our sequence numbers and timestamps: a gap is a
	// loss of the round trip.
	KindReflector
	// KindRebuilder returns our payload, or its very samples in other packets,
	// under headers of its own.
	KindRebuilder
	// KindTranscoder returns our audio, decoded and encoded again.
	KindTranscoder
)

// String gives the word of the report.
func (k Kind) String() string {
	switch k {
	case KindStamping:
		return "stamping"
	case KindReflector:
		return "reflector"
	case KindRebuilder:
		return "rebuilder"
	case KindTranscoder:
		return "transcoder"
	}
	return "unknown"
}
