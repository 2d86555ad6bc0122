//go:build !linux

package udp

var openSocket opener = openPortable
