package probe

import (
	"context"
	"fmt"
)

// leastMatch is the share of returned frames that must be the ones that were
// sent. What the network loses is not compared, so a healthy echo has all.
const leastMatch = 0.9

// listen checks that what came back is the clip that was sent, frame by frame.
func (c *call) listen(context.Context) error {
	checked, matched := c.exchange.content()
	c.result.Audio = contentOf(checked, matched)
	c.detail(LayerAudio, fmt.Sprintf("%d of %d returned frames are the ones that were sent", matched, checked))
	if c.result.Audio.State == AudioWrong {
		return &mediaError{CodeWrongContent, fmt.Sprintf("only %d of %d returned frames are the ones that were sent", matched, checked)}
	}
	return nil
}

// contentOf judges the audio by how many returned frames were those that were
// sent.
func contentOf(checked, matched int64) Audio {
	if checked == 0 {
		return Audio{State: AudioNotChecked}
	}
	a := Audio{State: AudioOK, Checked: checked, Matched: matched}
	if a.MatchRatio() < leastMatch {
		a.State = AudioWrong
	}
	return a
}
