package rtpflow

// Class says what an incoming packet is to its stream.
type Class uint8

// The classes of packets. Only InOrder and Reordered packets count as
// received.
const (
	// InOrder is a packet with a higher sequence number than all before it.
	InOrder Class = iota
	// Reordered is a packet that came behind a higher one, before its grace
	// was over.
	Reordered
	// Late is a packet that came after it was declared lost, or that lies
	// before the first packet of the count. The loss is not taken back: it
	// came too late to be heard.
	Late
	// Duplicate is a further copy of a packet that has come already.
	Duplicate
	// Foreign is a well-formed packet of another source or payload type.
	Foreign
	// Malformed is a datagram that is not RTP (RFC 3550, section 5.1).
	Malformed
)

// String names the class in lower case.
func (c Class) String() string {
	switch c {
	case InOrder:
		return "in order"
	case Reordered:
		return "reordered"
	case Late:
		return "late"
	case Duplicate:
		return "duplicate"
	case Foreign:
		return "foreign"
	case Malformed:
		return "malformed"
	}
	return "unknown"
}

// Heard reports whether a packet of this class counts as received.
func (c Class) Heard() bool { return c <= Reordered }
