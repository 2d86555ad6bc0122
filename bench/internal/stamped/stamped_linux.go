package stamped

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

func enable(udp *net.UDPConn) error {
	raw, err := udp.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, 1)
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("ask for the kernel's receive times: %w", err)
	}
	return nil
}

// parse finds the receive time among control messages (cmsg(3)), wall clock
// since 1970; 0 without one or on a system of 32 bits.
func parse(b []byte) time.Duration {
	const head = 16
	for len(b) >= head {
		size := int(binary.NativeEndian.Uint64(b))
		if size < head || size > len(b) {
			return 0
		}
		level, kind := binary.NativeEndian.Uint32(b[8:]), binary.NativeEndian.Uint32(b[12:])
		if level == syscall.SOL_SOCKET && kind == syscall.SO_TIMESTAMPNS && size >= head+16 {
			return time.Duration(binary.NativeEndian.Uint64(b[head:])*uint64(time.Second) + binary.NativeEndian.Uint64(b[head+8:]))
		}
		b = b[min((size+7)&^7, len(b)):]
	}
	return 0
}
