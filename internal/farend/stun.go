package farend

import (
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
)

// STUNMode is how a STUN server answers.
type STUNMode uint8

// The modes.
const (
	Answering  STUNMode = iota // with the address it sees
	Unmasked                   // with that address in the attribute of RFC 3489
	Refusing                   // 400 to everything
	Addressing                 // success without any address
	Babbling                   // with what is no STUN
)

// STUNServer starts a server that answers all STUN requests in one way.
func STUNServer(t testing.TB, mode STUNMode) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDP(buf)
			if err != nil {
				return
			}
			request := &stun.Message{Raw: append([]byte(nil), buf[:n]...)}
			if request.Decode() == nil {
				_, _ = conn.WriteToUDP(answer(mode, request, from), from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func answer(mode STUNMode, request *stun.Message, from *net.UDPAddr) []byte {
	success := stun.NewType(request.Type.Method, stun.ClassSuccessResponse)
	setters := []stun.Setter{&stun.Message{TransactionID: request.TransactionID}, success}
	switch mode {
	case Answering:
		setters = append(setters, &stun.XORMappedAddress{IP: from.IP, Port: from.Port})
	case Unmasked:
		setters = append(setters, &stun.MappedAddress{IP: from.IP, Port: from.Port})
	case Refusing:
		setters[1] = stun.NewType(request.Type.Method, stun.ClassErrorResponse)
		setters = append(setters, &stun.ErrorCodeAttribute{Code: stun.CodeBadRequest, Reason: []byte("Bad Request")})
	case Babbling:
		return []byte("220 mail.earshot.test ESMTP ready\r\n")
	}
	message, err := stun.Build(setters...)
	if err != nil {
		return nil
	}
	return message.Raw
}
