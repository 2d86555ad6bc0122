package udp

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// putSockaddr writes a socket address into s and returns its length. An IPv4
// address is written mapped on a socket of IPv6, as far as the kernel lets it.
func putSockaddr(s *unix.RawSockaddrInet6, a netip.AddrPort, ipv6 bool) uint32 {
	addr := a.Addr().Unmap()
	if !ipv6 {
		s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
		*s4 = unix.RawSockaddrInet4{Family: unix.AF_INET}
		putPort(&s4.Port, a.Port())
		if addr.Is4() {
			s4.Addr = addr.As4()
		} else {
			s4.Family = unix.AF_INET6 // which the kernel refuses
		}
		return unix.SizeofSockaddrInet4
	}
	*s = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: addr.As16()}
	putPort(&s.Port, a.Port())
	if zone := addr.Zone(); zone != "" {
		s.Scope_id = zones.index(zone)
	}
	return unix.SizeofSockaddrInet6
}

// getSockaddr reads a socket address; it is not valid if the kernel gave none.
func getSockaddr(s *unix.RawSockaddrInet6) netip.AddrPort {
	switch s.Family {
	case unix.AF_INET:
		s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(s))
		return netip.AddrPortFrom(netip.AddrFrom4(s4.Addr), getPort(&s4.Port))
	case unix.AF_INET6:
		addr := netip.AddrFrom16(s.Addr).Unmap()
		if s.Scope_id != 0 && addr.Is6() {
			addr = addr.WithZone(zones.name(s.Scope_id))
		}
		return netip.AddrPortFrom(addr, getPort(&s.Port))
	}
	return netip.AddrPort{}
}

// Ports are in network byte order, whatever the machine's is.
func putPort(p *uint16, port uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(p))[:], port)
}

func getPort(p *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:])
}

// zones remembers names and indexes of interfaces, which are asked for with
// each packet from or to a link-local address.
var zones zoneCache

type zoneCache struct{ names, indexes sync.Map }

func (z *zoneCache) name(index uint32) string {
	if name, ok := z.names.Load(index); ok {
		return name.(string)
	}
	name := strconv.FormatUint(uint64(index), 10)
	if ifc, err := net.InterfaceByIndex(int(index)); err == nil {
		name = ifc.Name
	}
	z.names.Store(index, name)
	return name
}

func (z *zoneCache) index(name string) uint32 {
	if index, ok := z.indexes.Load(name); ok {
		return index.(uint32)
	}
	var index uint32
	if ifc, err := net.InterfaceByName(name); err == nil {
		index = uint32(ifc.Index)
	} else if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		index = uint32(n)
	}
	z.indexes.Store(name, index)
	return index
}
