package udp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/pion/transport/v5"
	"github.com/pion/transport/v5/stdnet"
)

// Interfaces returns the interfaces that have the local address, with that
// alone; all of them if there is no restriction.
func (n *Net) Interfaces() ([]*transport.Interface, error) {
	all, err := n.Net.Interfaces()
	if err != nil || !n.config.Local.IsValid() {
		return all, err
	}
	var left []*transport.Interface
	for _, ifc := range all {
		addrs, err := ifc.Addrs()
		if err != nil {
			continue // it has no address
		}
		for _, a := range addrs {
			if ipOf(a) == n.config.Local.WithZone("") {
				one := transport.NewInterface(ifc.Interface)
				one.AddAddress(a)
				left = append(left, one)
			}
		}
	}
	return left, nil
}

func ipOf(a net.Addr) netip.Addr {
	var ip net.IP
	switch a := a.(type) {
	case *net.IPNet:
		ip = a.IP
	case *net.IPAddr:
		ip = a.IP
	}
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// system is the standard library's network. It lists the interfaces when it is
// asked for them and keeps no list: that would be several kB in each call, for a
// gathering that is over in the first moment.
type system struct{ *stdnet.Net }

func (s system) Interfaces() ([]*transport.Interface, error) {
	n, err := stdnet.NewNet()
	if err != nil {
		return nil, fmt.Errorf("list network interfaces: %w", err)
	}
	return n.Interfaces()
}

func (s system) InterfaceByIndex(index int) (*transport.Interface, error) {
	return s.find(func(i *transport.Interface) bool { return i.Index == index }, index)
}

func (s system) InterfaceByName(name string) (*transport.Interface, error) {
	return s.find(func(i *transport.Interface) bool { return i.Name == name }, name)
}

func (s system) find(wanted func(*transport.Interface) bool, named any) (*transport.Interface, error) {
	all, err := s.Interfaces()
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, wanted); i >= 0 {
		return all[i], nil
	}
	return nil, fmt.Errorf("%w: %v", transport.ErrInterfaceNotFound, named)
}
