// Package audio listens to what an echo returns: is it the clip that was sent,
// how loud is it, how late, and what of it is missing.
//
// A call has one [Recorder], which looks at every returned packet on the path
// of the packets. A payload that is the sent one bit for bit needs no ear: its
// level is known beforehand and its place in the clip is exact, so nothing is
// decoded, copied or allocated. Only when payloads differ are they kept, within
// fixed bounds, on the [Tape] of the running window.
//
// [Listen] then gives the [Findings] of a tape, away from the path of the
// packets. What was altered is decoded and compared with the clip by correlation,
// which finds it through transcoding, resampling, gain, reframing and any
// delay shorter than the clip, and tells it from silence, comfort noise and
// somebody else. Findings of windows add up to those of the call.
//
// Levels are in dBov: decibels relative to a square wave at full scale, which is
// 32768 on the 16-bit scale (ITU-T G.100.1, RFC 6464).
package audio
