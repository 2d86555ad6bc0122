package echo

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/earshot-voip/earshot/internal/peer"
)

// maxOffer bounds the body of a request, in bytes. A large real offer with many
// candidates has about 10 kB.
const maxOffer = 64 << 10

func (s *Server) routes() {
	endpoint, resource := s.config.Path, s.config.Path+"/{id}"
	s.mux.HandleFunc("POST "+endpoint, s.create)
	s.mux.HandleFunc("OPTIONS "+endpoint, s.describe)
	s.mux.HandleFunc(endpoint, notAllowed("OPTIONS, POST"))
	s.mux.HandleFunc("DELETE "+resource, s.end)
	// Neither trickle ICE nor ICE restarts are supported, and then PATCH is to be
	// refused with 405 (RFC 9725, 4.3.1).
	s.mux.HandleFunc(resource, notAllowed("DELETE"))
	if s.config.Drill {
		s.mux.HandleFunc("GET "+ConditionsPath, s.showConditions)
		s.mux.HandleFunc("PUT "+ConditionsPath, s.changeConditions)
	}
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodOptions && !s.authorized(r) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="earshot"`)
		refuse(w, http.StatusUnauthorized, "a valid bearer token is needed")
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Server) authorized(r *http.Request) bool {
	if s.config.Token == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") &&
		subtle.ConstantTimeCompare([]byte(strings.TrimSpace(token)), []byte(s.config.Token)) == 1
}

// refuse answers with a status and one line of text.
func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

func notAllowed(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		refuse(w, http.StatusMethodNotAllowed, r.Method+" is not supported here")
	}
}

// describe answers OPTIONS: what can be posted, and the ICE servers to use.
func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Accept-Post", "application/sdp")
	s.addLinks(w.Header())
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) addLinks(h http.Header) {
	for _, server := range s.config.ICEServers {
		link := fmt.Sprintf(`<%s>; rel="ice-server"`, server.URL)
		if server.Username != "" {
			link += fmt.Sprintf(`; username=%s; credential=%s; credential-type="password"`,
				strconv.Quote(server.Username), strconv.Quote(server.Password))
		}
		h.Add("Link", link)
	}
}

// create answers an offer (RFC 9725, 4.2).
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/sdp" {
		w.Header().Set("Accept-Post", "application/sdp")
		refuse(w, http.StatusUnsupportedMediaType, "the offer must be application/sdp")
		return
	}
	offer, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("an offer may have %d bytes", maxOffer))
			return
		}
		refuse(w, http.StatusBadRequest, "the offer did not arrive whole")
		return
	}
	one, answer, err := s.answer(r.Context(), clientAddr(r), s.reachable(r), string(offer))
	if err != nil {
		s.refuseOffer(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/sdp")
	h.Set("Location", s.config.Path+"/"+one.id)
	s.addLinks(h)
	w.WriteHeader(http.StatusCreated)
	if _, err := io.WriteString(w, answer); err != nil {
		one.hangUp("the caller did not take the answer")
	}
}

func (s *Server) refuseOffer(w http.ResponseWriter, err error) {
	var (
		limit       *limitError
		description *peer.SDPError
	)
	switch {
	case errors.As(err, &limit):
		w.Header().Set("Retry-After", "5")
		refuse(w, limit.status, limit.text)
	case errors.As(err, &description) && description.Part == "codec":
		refuse(w, http.StatusUnprocessableEntity, err.Error())
	case errors.As(err, &description):
		refuse(w, http.StatusBadRequest, err.Error())
	default:
		s.config.Log.Error("cannot answer", "error", err)
		refuse(w, http.StatusInternalServerError, "the endpoint cannot answer calls at the moment")
	}
}

// end answers DELETE (RFC 9725, 4.2).
func (s *Server) end(w http.ResponseWriter, r *http.Request) {
	one := s.find(r.PathValue("id"))
	if one == nil {
		refuse(w, http.StatusNotFound, "no such call")
		return
	}
	one.hangUp("the caller ended the call")
	<-one.over
	w.WriteHeader(http.StatusOK)
}

// reachable is the media address to offer to a caller: the configured public
// one, or, when the media port listens on all addresses, the one at which this
// request came in. The zero Addr is the address that the port is bound to.
func (s *Server) reachable(r *http.Request) netip.Addr {
	if s.config.PublicAddress.IsValid() {
		return s.config.PublicAddress
	}
	if !s.MediaAddr().Addr().IsUnspecified() {
		return netip.Addr{}
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return netip.Addr{}
	}
	at, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

func clientAddr(r *http.Request) netip.Addr {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
