package udp

import (
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/earshot-voip/earshot/internal/thread"
)

// poller is the one thread that reads all sockets of the process. With
// hundreds of sockets it wakes seldomer than a goroutine for each, and while
// it reads one the next ones gather, so that a packet costs less the more
// there are.
type poller struct {
	epoll int

	mu      sync.Mutex
	sockets map[int32]*kernelSocket // by file descriptor
}

// sharedPoller returns the process's poller. It is started by the first socket
// and never ends.
var sharedPoller = sync.OnceValues(func() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	p := &poller{epoll: fd, sockets: map[int32]*kernelSocket{}}
	go p.run()
	return p, nil
})

func (p *poller) add(s *kernelSocket) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sockets[int32(s.fd)] = s
	err := unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)})
	if err != nil {
		delete(p.sockets, int32(s.fd))
	}
	return os.NewSyscallError("epoll_ctl", err)
}

func (p *poller) remove(fd int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.sockets, int32(fd))
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil)
}

// run reads whatever has packets, one batch from each socket in turn, so that
// none starves the others.
func (p *poller) run() {
	runtime.LockOSThread() // and never unlocked: Hurry changes the thread
	thread.Hurry()
	const most = 256
	events := make([]unix.EpollEvent, most)
	ready := make([]*kernelSocket, 0, most)
	in, packet := newIntake(), new(Packet)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil {
			continue // interrupted by a signal
		}
		p.mu.Lock()
		for i := range n {
			if s := p.sockets[events[i].Fd]; s != nil {
				ready = append(ready, s)
			}
		}
		p.mu.Unlock()
		for _, s := range ready {
			s.read(in, packet)
		}
		clear(ready)
		ready = ready[:0]
	}
}
