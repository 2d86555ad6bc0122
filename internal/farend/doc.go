// Package farend is for tests alone: far ends and networks that misbehave on
// purpose, around real servers on loopback.
//
// A Tamper edits session descriptions between a caller and a real endpoint. A
// Relay carries the media of a call and drops, repeats or holds packets back by
// a rule, keeping books of its own: a witness that is neither the probe nor the
// echo. A Pion is an echo made of pion/webrtc's PeerConnection, which shares no
// code with Earshot's own peers above pion's protocol packages.
//
// Everything stops at the end of the test that started it.
package farend
