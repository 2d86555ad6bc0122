package rtpflow

// ringBits is how many packets an uplink remembers: what the stamps' history
// covers.
const ringBits = 1024

// bitRing holds one bit for each of the last 1024 positions.
type bitRing [ringBits / 64]uint64

func (b *bitRing) set(position int64)   { b[position/64&(ringBits/64-1)] |= 1 << (position & 63) }
func (b *bitRing) clear(position int64) { b[position/64&(ringBits/64-1)] &^= 1 << (position & 63) }

func (b *bitRing) has(position int64) bool {
	return b[position/64&(ringBits/64-1)]>>(position&63)&1 != 0
}

// load gives the 64 bits from a position on, bit 0 the first.
func (b *bitRing) load(position int64) uint64 {
	word, shift := position>>6, uint(position&63)
	// A shift by 64 gives 0, so an aligned word needs no case of its own.
	return b[word&(ringBits/64-1)]>>shift | b[(word+1)&(ringBits/64-1)]<<(64-shift)
}

// or sets bits from a position on.
func (b *bitRing) or(position int64, bits uint64) {
	word, shift := position>>6, uint(position&63)
	b[word&(ringBits/64-1)] |= bits << shift
	b[(word+1)&(ringBits/64-1)] |= bits >> (64 - shift)
}
