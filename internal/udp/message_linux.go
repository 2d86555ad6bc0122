package udp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// message is the kernel's struct mmsghdr.
type message struct {
	hdr unix.Msghdr
	n   uint32 // bytes received or sent
}

// controlSpace holds all control messages that are asked for, and more.
const controlSpace = 160

// intake is room for one recvmmsg: messages, where they came from, what the
// kernel says of them. It does not move, since it points into itself.
type intake struct {
	messages [MaxBatch]message
	vectors  [MaxBatch]unix.Iovec
	names    [MaxBatch]unix.RawSockaddrInet6
	controls [MaxBatch][controlSpace]byte
	data     [MaxBatch][MaxPacket]byte
}

func newIntake() *intake {
	in := new(intake)
	for i := range in.messages {
		in.vectors[i].Base = &in.data[i][0]
		in.vectors[i].SetLen(MaxPacket)
		h := &in.messages[i].hdr
		h.Iov = &in.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&in.names[i]))
		h.Control = &in.controls[i][0]
	}
	return in
}

// receive reads up to n messages without waiting. The system call keeps its
// processor: it is over in microseconds, while being scheduled again after an
// ordinary one can take milliseconds on a busy host.
func (in *intake) receive(fd, n int) (int, error) {
	for i := range n {
		h := &in.messages[i].hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSpace)
	}
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&in.messages)),
		uintptr(n), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(got), nil
}

func (in *intake) truncated(i int) bool { return in.messages[i].hdr.Flags&unix.MSG_TRUNC != 0 }

func (in *intake) packet(i int) []byte { return in.data[i][:in.messages[i].n] }

func (in *intake) control(i int) []byte {
	return in.controls[i][:min(int(in.messages[i].hdr.Controllen), controlSpace)]
}

// outlet is room for one sendmmsg.
type outlet struct {
	messages [MaxBatch]message
	vectors  [MaxBatch]unix.Iovec
	names    [MaxBatch]unix.RawSockaddrInet6
}

// send sends up to MaxBatch messages without waiting.
func (out *outlet) send(fd int, m []Message, ipv6 bool) (int, error) {
	m = m[:min(len(m), MaxBatch)]
	for i := range m {
		out.vectors[i] = unix.Iovec{Base: unsafe.SliceData(m[i].Data)}
		out.vectors[i].SetLen(len(m[i].Data))
		h := &out.messages[i].hdr
		h.Iov = &out.vectors[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&out.names[i]))
		h.Namelen = putSockaddr(&out.names[i], m[i].To, ipv6)
	}
	sent, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&out.messages)),
		uintptr(len(m)), unix.MSG_DONTWAIT, 0, 0)
	clear(out.vectors[:len(m)]) // keep no packet alive
	if errno != 0 {
		return 0, errno
	}
	return int(sent), nil
}
