package udp

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/earshot-voip/earshot/internal/mono"
)

// senderPorts makes the test binary a sender of packets to these local ports.
const senderPorts = "EARSHOT_UDP_SEND_TO"

func TestMain(m *testing.M) {
	if ports := os.Getenv(senderPorts); ports != "" {
		sendForever(strings.Split(ports, ","))
		return
	}
	os.Exit(m.Run())
}

// sendForever sends 50 packets of 200 bytes a second to each address, spread
// over the 20 ms, until its parent ends.
func sendForever(addresses []string) {
	runtime.LockOSThread()
	sock, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	to := make([]netip.AddrPort, len(addresses))
	for i := range to {
		to[i] = netip.MustParseAddrPort(addresses[i])
	}
	packet := make([]byte, 200)
	packet[0] = 128
	for sent := 0; os.Getppid() != 1; {
		due := int(mono.Now() * time.Duration(len(to)) / (20 * time.Millisecond))
		for ; sent < due; sent++ {
			_, _ = sock.WriteToUDPAddrPort(packet, to[sent%len(to)])
		}
		pause := unix.NsecToTimespec(int64(400 * time.Microsecond))
		_ = unix.Nanosleep(&pause, nil)
	}
}

// BenchmarkWakeUp receives 50 packets a second on each of many sockets, from
// another process, and reports how long after the kernel's receive timestamp
// the handler saw a packet, and the processor time of the receiving process.
// Beside it the plain way: a goroutine for each net.UDPConn that asks for the
// same control messages. One operation is 20 ms: use -benchtime=250x for five
// seconds.
func BenchmarkWakeUp(b *testing.B) {
	for _, sockets := range []int{50, 200, 400, 800} {
		b.Run(fmt.Sprintf("sockets=%d/way=Conn", sockets), func(b *testing.B) {
			benchmarkWakeUp(b, sockets, func(seen func(age time.Duration)) (addr netip.AddrPort, stop func()) {
				c, err := Listen(netip.MustParseAddrPort("127.0.0.1:0"), Config{Handler: func(p *Packet) bool {
					seen(p.Read - p.At)
					return true
				}})
				if err != nil {
					b.Fatal(err)
				}
				return c.LocalAddrPort(), func() { c.Close() }
			})
		})
		b.Run(fmt.Sprintf("sockets=%d/way=goroutine", sockets), func(b *testing.B) {
			benchmarkWakeUp(b, sockets, func(seen func(age time.Duration)) (addr netip.AddrPort, stop func()) {
				c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					b.Fatal(err)
				}
				raw, _ := c.SyscallConn()
				_ = raw.Control(func(fd uintptr) {
					_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
					_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
					_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTOS, 1)
					_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVTTL, 1)
				})
				go func() {
					data, oob := make([]byte, MaxPacket), make([]byte, controlSpace)
					for {
						_, oobn, _, _, err := c.ReadMsgUDPAddrPort(data, oob)
						if err != nil {
							return
						}
						seen(time.Duration(time.Now().UnixNano()) - parseControl(oob[:oobn]).stamp)
					}
				}()
				return netip.MustParseAddrPort(c.LocalAddr().String()), func() { c.Close() }
			})
		})
	}
}

func benchmarkWakeUp(b *testing.B, sockets int, open func(seen func(age time.Duration)) (netip.AddrPort, func())) {
	var mu sync.Mutex
	var ages []time.Duration
	addresses := make([]string, sockets)
	for i := range addresses {
		addr, stop := open(func(age time.Duration) {
			mu.Lock()
			ages = append(ages, age)
			mu.Unlock()
		})
		defer stop()
		addresses[i] = addr.String()
	}
	sender := exec.Command(os.Args[0])
	sender.Env = append(os.Environ(), senderPorts+"="+strings.Join(addresses, ","))
	if err := sender.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = sender.Process.Kill()
		_ = sender.Wait()
	}()
	time.Sleep(300 * time.Millisecond)
	mu.Lock()
	ages = make([]time.Duration, 0, 1<<20)
	mu.Unlock()
	before := processorTime()
	for b.Loop() {
		time.Sleep(20 * time.Millisecond)
	}
	spent, elapsed := processorTime()-before, b.Elapsed()
	mu.Lock()
	defer mu.Unlock()
	if len(ages) == 0 {
		b.Fatal("nothing was received")
	}
	slices.Sort(ages)
	us := func(p float64) float64 { return float64(ages[int(p*float64(len(ages)-1))]) / 1e3 }
	b.ReportMetric(us(0.5), "p50-µs")
	b.ReportMetric(us(0.99), "p99-µs")
	b.ReportMetric(100*float64(spent)/float64(elapsed), "cpu-%")
	b.ReportMetric(float64(spent)/1e3/float64(len(ages)), "µs/packet")
	b.ReportMetric(0, "ns/op")
}

func processorTime() time.Duration {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkEcho sends 32 packets at once through a socket that sends them back,
// as the echo endpoint's shared socket does, one by one or in batches on both
// ends. Everything runs in this process; the figure is for the whole way there
// and back.
func BenchmarkEcho(b *testing.B) {
	const burst = 32
	for _, batch := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			var echo *Conn
			answers := make([]Message, 0, burst)
			echo = open(b, openKernel, loopback4, Config{
				Batch: batch,
				Handler: func(p *Packet) bool {
					if batch == 1 {
						_, _ = echo.WriteToAddrPort(p.Data, p.From)
					} else {
						answers = append(answers, Message{p.Data, p.From})
					}
					return true
				},
				Flush: func() {
					if len(answers) > 0 {
						_, _ = echo.WriteBatch(answers)
						answers = answers[:0]
					}
				},
			})
			back, all := 0, make(chan struct{})
			caller := open(b, openKernel, loopback4, Config{Batch: batch, Handler: func(*Packet) bool {
				if back++; back == burst {
					back = 0
					all <- struct{}{}
				}
				return true
			}})
			packets := make([]Message, burst)
			for i := range packets {
				packets[i] = Message{make([]byte, 200), echo.LocalAddrPort()}
			}
			b.ReportAllocs()
			before := processorTime()
			for b.Loop() {
				if batch == 1 {
					for _, m := range packets {
						_, _ = caller.WriteToAddrPort(m.Data, m.To)
					}
				} else if _, err := caller.WriteBatch(packets); err != nil {
					b.Fatal(err)
				}
				<-all
			}
			count := float64(b.N * burst)
			b.ReportMetric(float64(processorTime()-before)/count, "cpu-ns/packet")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/count, "ns/packet")
		})
	}
}
