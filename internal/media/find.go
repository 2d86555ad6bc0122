package media

// Find says which frame of the clip payload is, byte for byte, as a number from
// 0 to Len-1. ok is false for anything else: silence, another codec, audio that
// was decoded and encoded again. It does not allocate after the first call,
// which builds the index (some 200 kB per clip and process).
func (c *Clip) Find(payload []byte) (frame int, ok bool) {
	c.indexOnce.Do(c.buildIndex)
	// The conversion inside the index expression does not copy.
	i, ok := c.index[string(payload)]
	return int(i), ok
}

func (c *Clip) buildIndex() {
	c.index = make(map[string]int32, len(c.frames))
	for i, f := range c.frames {
		c.index[string(f)] = int32(i)
	}
}

// Nearest returns the position in the endless clip that is closest to expected
// among all rounds of frame, which [Clip.Find] has returned. It is never
// negative: before the first round there is no clip. Between two positions
// equally far it is the earlier one.
func (c *Clip) Nearest(frame int, expected int64) int64 {
	n := int64(len(c.frames))
	ahead := ((int64(frame)-expected)%n + n) % n // to the next one at or after expected
	if 2*ahead >= n && expected+ahead >= n {
		ahead -= n
	}
	return expected + ahead
}
