package probe

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// panicError is a panic in the course of a call. It is a defect of this
// program, which ends the one call that met it and no other.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

func newPanicError(value any) *panicError { return &panicError{value, debug.Stack()} }

// survive turns a panic of a rung, or of an observer that it tells, into the
// rung's failure. It is for defer.
func (c *call) survive(rung Layer) {
	p := recover()
	if p == nil {
		return
	}
	c.failure = classify(rung, newPanicError(p))
	step := c.step(rung)
	step.State, step.Detail = StateFailed, c.failure.Err.Error()
}

// survive turns a panic on a thread that all calls share into the end of this
// call. It is for defer.
func (x *exchange) survive() {
	if p := recover(); p != nil {
		select {
		case x.crashed <- newPanicError(p):
		default: // one is enough
		}
	}
}

// logDefect leaves the place of a panic in the log: the report names only what
// was said.
func (c *call) logDefect() {
	var p *panicError
	if c.failure != nil && errors.As(c.failure.Err, &p) {
		c.target.Log.Error("a call ended in a panic, which is a defect of earshot; please report it",
			"call", c.result.ID, "target", c.result.Target, "panic", fmt.Sprint(p.value), "stack", string(p.stack))
	}
}
