//go:build !linux

package thread

func hurry() {}
