//go:build !linux

package rig

// TakeKernelTimes does nothing: there are none.
func TakeKernelTimes() error { return nil }
