//go:build !linux

package rig

import "errors"

func usageOf(int) (Usage, error) {
	return Usage{}, errors.New("the usage of a process is only known on Linux")
}
