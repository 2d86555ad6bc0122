// Package capture measures the RTP streams in a packet capture with the core
// that measures live calls (rtpflow), and scores them.
//
// Most callers want [Analyze]: it reads pcap and pcapng, plain or compressed
// with gzip, from any reader and in constant memory per stream, and returns a
// [Report] that writes itself as text or JSON. A capture that breaks off gives
// the report of what came before together with a [DamageError].
//
// # What a stream is
//
// A stream is one SSRC between two addresses and ports, in one direction, as
// Wireshark has it. RTP is found by its looks: version 2, a payload type that
// exists, and at least four packets of one source whose sequence numbers
// follow one another. STUN, DTLS, RTCP and TURN on the same port are told apart
// by RFC 7983 and RFC 5761. Encryption does not matter: SRTP leaves the header
// in clear.
//
// # What it does not do
//
// IP fragments are not put together: the first fragment of a packet stands for
// the packet, the others are counted. RTP inside TURN channels, tunnels or TCP
// is not found. A capture does not show how long packets took, only how much
// that varied, so a conversational score needs the delay from the caller.
package capture
