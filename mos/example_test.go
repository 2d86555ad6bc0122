package mos_test

import (
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/mos"
)

func ExampleRate() {
	g711, err := mos.Lookup("pcmu")
	if err != nil {
		fmt.Println(err)
		return
	}
	s := mos.Rate(g711, mos.Path{Loss: 0.02, BurstR: 1.5, Delay: 200 * time.Millisecond})
	fmt.Printf("R %.1f, MOS %.2f (%v): %v\n", s.R, s.MOS, s.Scale, s.Category())
	fmt.Printf("delay costs %.1f, loss %.1f, codec %.1f\n", s.DelayCost, s.LossCost, s.CodecCost)
	// Output:
	// R 83.0, MOS 4.13 (nb): satisfied
	// delay costs 3.0, loss 7.2, codec 0.0
}

func ExampleOpus() {
	c, err := mos.Opus(mos.FB, mos.VBR, 24)
	fmt.Println(c.Title, err)
	fmt.Printf("Ie %.2f, Bpl %.2f, ITU value: %v\n", c.Ie, c.Bpl, c.ITU)
	_, err = mos.Opus(mos.FB, mos.VBR, 64)
	fmt.Println(err)
	// Output:
	// Opus, swb audio, VBR, 24 kbit/s <nil>
	// Ie 20.21, Bpl 11.01, ITU value: false
	// opus swb vbr at 64 kbit/s: no value is published outside of 14..40 kbit/s
}

func ExampleNarrowband() {
	// An echo that returns after 40 ms, 45 dB down.
	n := mos.Narrowband{TELR: mos.Set(45), T: 20 * time.Millisecond, Tr: 40 * time.Millisecond}
	t := n.Terms(mos.Codec{}, mos.Path{Delay: 20 * time.Millisecond})
	fmt.Printf("talker echo costs %.1f of R %.1f\n", t.Idte, t.R)
	// Output:
	// talker echo costs 3.1 of R 89.8
}
