package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/earshot-voip/earshot/internal/iceserver"
	"github.com/earshot-voip/earshot/internal/peer"
)

// newFailure builds a failure with the code's hint.
func newFailure(layer Layer, code Code, err error) *Failure {
	return &Failure{Layer: layer, Code: code, Hint: code.Hint(), Err: err}
}

// mediaError is how the media and audio steps say what they found.
type mediaError struct {
	code   Code
	detail string
}

func (e *mediaError) Error() string { return e.detail }

// oneWay reports whether media went in one direction only.
func oneWay(err error) bool {
	var media *mediaError
	return errors.As(err, &media) && media.code == CodeOneWay
}

// classify says which layer an error of a rung belongs to, and its code. Rungs
// that cover several layers (signalling resolves, connects and secures first)
// are told apart by the error's type.
func classify(rung Layer, err error) *Failure {
	if errors.Is(err, errInterrupted) {
		return newFailure(reached(rung, err), CodeCanceled, err)
	}
	if errors.Is(err, errCallTimeout) {
		return newFailure(reached(rung, err), CodeTimeout, err)
	}
	var media *mediaError
	if errors.As(err, &media) {
		return newFailure(rung, media.code, err)
	}
	if f := classifySignaling(err); f != nil {
		return f
	}
	if f := classifyPeer(err); f != nil {
		return f
	}
	return newFailure(rung, CodeInternal, err)
}

// reached is the layer that a rung was at when the whole call ended: the
// signalling rung covers several.
func reached(rung Layer, err error) Layer {
	if f := classifySignaling(err); rung == LayerSignaling && f != nil {
		return f.Layer
	}
	return rung
}

func classifyPeer(err error) *Failure {
	var (
		description *peer.SDPError
		server      *iceserver.Error
		gather      *peer.GatherError
		ice         *peer.ICEError
		dtls        *peer.DTLSError
	)
	switch {
	case errors.As(err, &description):
		if description.Part == "codec" {
			return newFailure(LayerSignaling, CodeNoCommonCodec, err)
		}
		return newFailure(LayerSignaling, CodeBadAnswer, err)
	case errors.As(err, &server):
		return newFailure(LayerICE, serverCode(server), err)
	case errors.As(err, &gather):
		if gather.RelayOnly {
			return newFailure(LayerGather, CodeNoRelay, err)
		}
		return newFailure(LayerGather, CodeNoCandidate, err)
	case errors.As(err, &ice):
		return newFailure(LayerICE, CodeNoPair, err)
	case errors.Is(err, peer.ErrFingerprint):
		return newFailure(LayerDTLS, CodeFingerprint, err)
	case errors.As(err, &dtls):
		if errors.Is(err, context.DeadlineExceeded) {
			return newFailure(LayerDTLS, CodeDTLSSilent, err)
		}
		return newFailure(LayerDTLS, CodeDTLSFailed, err)
	case errors.Is(err, peer.ErrConsentLost):
		return newFailure(LayerICE, CodeConsentLost, err)
	case errors.Is(err, peer.ErrRemoteClosed):
		return newFailure(LayerMedia, CodeRemoteHangup, err)
	}
	return nil
}

// Error implements error, so that a Failure can travel as one.
func (f *Failure) Error() string { return fmt.Sprintf("%s: %s: %v", f.Layer, f.Code, f.Err) }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }
