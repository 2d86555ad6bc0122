package peer

import (
	"context"
	"fmt"
)

// Offer gathers candidates until all are there or ctx ends, and returns the
// complete offer (no trickle: gathering is a step of its own). The error is a
// *GatherError.
func (p *Peer) Offer(ctx context.Context) (string, error) {
	p.offerer = true // before a socket is open: its reader asks
	if err := p.gather(ctx); err != nil {
		return "", err
	}
	p.local.mid = "0"
	p.local.setup = setupActpass
	p.local.direction = "sendrecv"
	p.local.ssrc = p.ssrc
	if p.cfg.Stamps {
		p.local.stampID = stampID
	}
	return sections{
		description: p.local,
		fingerprint: p.cfg.Identity.fingerprint,
		codecs:      p.cfg.Codecs,
		events:      eventsFor(p.cfg.Codecs),
		cname:       p.cname,
		bundle:      true,
	}.write(), nil
}

// Accept takes the far end's answer, agrees on the first of its codecs that was
// offered (RFC 3264, 7), under the answer's payload type, and starts the connectivity checks. The
// error is an *SDPError when the answer cannot be used.
func (p *Peer) Accept(answer string) error {
	remote, err := parseDescription(answer)
	if err != nil {
		return err
	}
	p.remote = remote
	if p.codec, err = remote.choose(p.cfg.Codecs); err != nil {
		return err
	}
	switch remote.setup {
	case setupActive, setupPassive:
	case setupActpass:
		// Not allowed in an answer (RFC 8842, 5.3). Every answerer met so far
		// that leaves the role open is the client.
		p.remote.setup = setupActive
		p.remote.deviate("answer leaves the DTLS role open, taken as active")
	default:
		return &SDPError{"setup", fmt.Sprintf("a=setup:%s in an answer", remote.setup)}
	}
	if p.cfg.Stamps {
		p.stampID = remote.stampID
	}
	return p.connect()
}

// Answer takes an offer, gathers, starts the connectivity checks and returns
// the answer. The error is an *SDPError or a *GatherError.
func (p *Peer) Answer(ctx context.Context, offer string) (string, error) {
	remote, err := parseDescription(offer)
	if err != nil {
		return "", err
	}
	p.remote = remote
	if p.codec, err = remote.choose(p.cfg.Codecs); err != nil {
		return "", err
	}
	if err := p.gather(ctx); err != nil {
		return "", err
	}
	p.local.mid = remote.mid
	p.local.ssrc = p.ssrc
	p.local.direction = answerDirection(remote.direction)
	p.local.setup = setupActive
	if remote.setup == setupActive {
		p.local.setup = setupPassive
	}
	if p.cfg.Stamps {
		p.stampID = remote.stampID
		p.local.stampID = remote.stampID
	}
	answer := sections{
		description: p.local,
		fingerprint: p.cfg.Identity.fingerprint,
		codecs:      p.cfg.Codecs[:0:0],
		cname:       p.cname,
		bundle:      remote.mid != "",
	}
	answer.codecs = append(answer.codecs, p.codec)
	return answer.write(), p.connect()
}

func answerDirection(offered string) string {
	switch offered {
	case "sendonly":
		return "recvonly"
	case "recvonly":
		return "sendonly"
	}
	return offered
}

// dtlsClient reports whether this side sends the ClientHello (RFC 8842, 5).
func (p *Peer) dtlsClient() bool {
	if p.offerer {
		return p.remote.setup == setupPassive
	}
	return p.local.setup == setupActive
}
