package sipws

import (
	"context"
	"fmt"
	"time"

	"github.com/emiago/sipgo/sip"

	"github.com/earshot-voip/earshot/internal/signaling"
)

// closeGrace is how long the server may take to close the WebSocket.
const closeGrace = 250 * time.Millisecond

// undo ends what the far end made, or may yet make, of a failed attempt, and
// closes the connection.
func (a *attempt) undo() error {
	limit := a.dialer.deadlines.Hangup
	ctx, stop := context.WithTimeoutCause(context.Background(), limit, &signaling.DeadlineError{After: limit})
	defer stop()
	err := a.withdraw(ctx)
	if a.registration != nil {
		a.registration.remove(ctx)
	}
	a.caller.link.serveWith(a.caller.link.outside)
	a.caller.link.shut(closeGrace)
	return err
}

// withdraw takes an INVITE back that has no final response, and hangs up a call
// that was answered all the same.
func (a *attempt) withdraw(ctx context.Context) error {
	if a.invite == nil {
		return nil
	}
	defer a.invite.end()
	canceled := false
	for a.final == nil {
		// CANCEL needs a provisional response first: without one it could overtake
		// the INVITE (RFC 3261, 9.1).
		if a.ringing && !canceled {
			canceled = true
			if err := a.caller.link.send(cancel(a.invite.request)); err != nil {
				return a.abandoned(err)
			}
		}
		select {
		case r := <-a.invite.responses:
			if a.ringing = true; !r.IsProvisional() {
				a.finish(r)
			}
		case <-a.caller.link.dead:
			return a.abandoned(a.caller.link.lost())
		case <-ctx.Done():
			return a.abandoned(context.Cause(ctx))
		}
	}
	if a.call == nil {
		return nil
	}
	if _, err := a.call.bye(ctx); err != nil {
		return fmt.Errorf("a call stayed behind: %w", err)
	}
	return nil
}

func (a *attempt) abandoned(err error) error {
	return fmt.Errorf("%s was abandoned and not answered; a call may have stayed behind: %w", a.invite.name(), err)
}

// bye hangs up, and returns what the far end said to it. A call that the far end
// no longer knows is over too.
func (d *dialog) bye(ctx context.Context) (*sip.Response, error) {
	request, response, err := d.caller.perform(ctx, func() *sip.Request { return d.request(sip.BYE) })
	switch {
	case err != nil:
		return nil, err
	case response.IsSuccess(), response.StatusCode == sip.StatusCallTransactionDoesNotExists:
		return response, nil
	}
	return response, refusal(requestName(request), response)
}
