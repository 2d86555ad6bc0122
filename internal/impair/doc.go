// Package impair makes a bad network out of a good one and keeps the books. Most
// people would call it a network emulator; this one runs inside the process,
// packet by packet, and knows afterwards what it did to each.
//
// A [Profile] says what is wrong with one direction and has a text form:
//
//	loss=3%,burst=4,delay=80ms,jitter=20ms,seed=7
//
// A [Schedule] changes the profile as time passes. A [Link] decides the fate of
// each packet of one direction of one call. A [Queue] holds payloads until they
// are due. A [Line] is a link and a queue together: what an endpoint or a relay
// puts into its packet path. The [Ledger] is the truth to compare a measurement
// with.
//
// A packet meets, in this order: outage, random loss, the rate limit with its
// queue, delay and jitter, duplication. What is lost early takes no room later.
//
// The random parts of packet i's fate depend on the profile, the seed and i
// alone: not on timing, not on the packets' sizes, and loss not on jitter. So two runs with
// one seed lose the same packets. Two directions with one seed and one loss do
// too: give each its own seed.
package impair
