// Package probe places one WebRTC test call to an echo endpoint and returns
// what it found out: how each layer did, what the network did to the packets in
// each direction, and the probe's own error.
//
//	result, err := probe.Run(ctx, probe.Target{URL: "https://echo.example.com/echo"})
//
// The result is complete also when the call failed; err is only for a target
// that cannot be tried at all.
package probe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/internal/mono"
)

// errInterrupted and errCallTimeout are the causes with which a call's context
// ends early.
var (
	errInterrupted = errors.New("the call was interrupted")
	errCallTimeout = errors.New("the call took longer than allowed")
)

// Run places a call. It returns when the call is over and everything it opened
// is closed, also when ctx ends early: the far end is always told.
func Run(ctx context.Context, t Target) (*Result, error) {
	c, err := prepare(&t)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.target.Timeout, errCallTimeout)
	defer cancel()

	setUp, established := untilEnd(ctx, c.target.End)
	apart(func() {
		c.climb(setUp, []rung{
			{LayerGather, c.gather, c.target.Deadlines.Gather},
			{LayerSignaling, c.signal, c.target.Deadlines.setUp()},
			{LayerICE, c.connect, c.target.Deadlines.ICE},
			{LayerDTLS, c.secure, c.target.Deadlines.DTLS},
		})
	})
	established()
	c.climb(ctx, []rung{
		{LayerMedia, c.talk, 0},
		{LayerAudio, c.listen, 0},
		{LayerQuality, c.judge, 0},
	})
	c.hangUp()
	c.logDefect()
	return c.report(), nil
}

// apart runs f on a goroutine of its own and waits for it. Setting up needs many
// times the stack of the media that follows, and a call would keep it for as long as
// it lasts.
func apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// untilEnd is ctx until established is called, but ends when end is closed:
// there is no media yet that could be judged.
func untilEnd(ctx context.Context, end <-chan struct{}) (setUp context.Context, established func()) {
	if end == nil {
		return ctx, func() {}
	}
	setUp, cancel := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-end:
			cancel()
		case <-setUp.Done():
		}
	}()
	return setUp, func() {
		cancel()
		<-over
	}
}

// rung is one step of the ladder: it blocks until it is done, and its error
// says what broke.
type rung struct {
	layer    Layer
	do       func(context.Context) error
	deadline time.Duration // 0: the rung keeps its own time
}

// climb runs the rungs in order until one breaks, if none is broken yet.
func (c *call) climb(ctx context.Context, rungs []rung) {
	for _, r := range rungs {
		if c.failure != nil {
			return
		}
		c.take(ctx, r)
	}
}

// take climbs one rung.
func (c *call) take(ctx context.Context, r rung) {
	defer c.survive(r.layer)
	start := mono.Now()
	err := r.run(ctx)
	took := mono.Now() - start
	if err == nil {
		c.finish(r.layer, StateOK, start, took)
		return
	}
	c.failure = c.examine(ctx, classify(r.layer, explain(ctx, err)))
	c.fail(r.layer, c.failure.Layer, start, took)
}

func (r rung) run(ctx context.Context) error {
	if r.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.deadline)
		defer cancel()
	}
	return r.do(ctx)
}

// explain puts the reason why the whole call ended in place of the context
// error that the rung saw.
func explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() == nil:
		return err
	case errors.Is(context.Cause(ctx), errCallTimeout):
		return fmt.Errorf("%w: %w", errCallTimeout, err)
	default:
		return fmt.Errorf("%w: %w", errInterrupted, err)
	}
}
