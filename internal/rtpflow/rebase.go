package rtpflow

// rebase is by how much a far end shifts our numbers. Gateways relay media under
// a base of their own (Janus begins at sequence number 1 and timestamp 0) and
// return gaps as gaps all the same: what they return is ours, by a constant. A
// far end that numbers its own packets closes the gaps of the uplink, and with
// each the shift moves.
type rebase struct {
	shift   numbers // zero: none, which needs no votes
	votes   int     // packets that agreed on shift
	against int     // packets in a row that did not
	moved   bool    // it was another one before
}

// numbers are those that a header carries.
type numbers struct {
	seq       uint16
	timestamp uint32
}

// vote takes in by how much the numbers of one returned packet differ from those
// of the packet that it answers.
func (b *rebase) vote(shift numbers) {
	switch {
	case shift == b.shift:
		b.against = 0
		b.votes++
		return
	case b.settled():
		if b.against++; b.against < kindEvidence {
			return
		}
		b.moved = true
	}
	*b = rebase{shift: shift, votes: 1, moved: b.moved}
}

func (b *rebase) settled() bool { return b.votes >= kindEvidence }

// held reports whether the far end shifts our numbers, and has always by as much.
func (b *rebase) held() bool { return b.settled() && !b.moved && b.shift != numbers{} }

// undo gives the numbers that a returned packet had when it was sent, as far as
// the shift is known.
func (b *rebase) undo(n numbers) numbers {
	if !b.settled() {
		return n
	}
	return numbers{n.seq - b.shift.seq, n.timestamp - b.shift.timestamp}
}

// answered takes in that a returned packet without a stamp carries the audio of
// the packet that was sent at a position.
func (u *uplink) answered(position int64, n numbers) {
	if u.stamping || !u.known(position) {
		return
	}
	sent := numbers{u.lastSeq - uint16(u.count-1-position), u.timestamp[position&(ringBits-1)]}
	u.base.vote(numbers{n.seq - sent.seq, n.timestamp - sent.timestamp})
}
