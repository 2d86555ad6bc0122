// Package rtpflow measures RTP streams packet by packet: which packets came,
// in what order, when, and what a listener would have heard of them.
//
// Most callers want one of three types. A Receiver measures one incoming
// stream. An Echo measures both directions of a call whose far end returns the
// media. A Mirror is what a stamping far end keeps, so that an Echo can tell
// the two directions apart.
//
// The package reads no clock, starts no goroutine, takes no lock and logs
// nothing. Packet, Sent and Reflect do not allocate. All times are passed in
// as time.Duration on one monotonic clock of the caller's choice; what comes
// out are plain values that may be kept and handed on.
//
// # Two stages
//
// A packet is classed when it arrives: parsed, extended to 64 bits, set
// against what came before. Its fate becomes final in sequence order: at once
// when everything before it is final, else when the missing packets before it
// have come or their grace has passed. Loss, bursts, delay variation and
// playout follow the final order, so they do not depend on how late the
// decision fell, and a loss run across the edge of a window is counted once
// in each window's packets and never twice.
package rtpflow
