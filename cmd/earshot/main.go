// Command earshot places WebRTC test calls and says what the network did to
// them. Its files hold flags and exit codes; the work is in the packages.
package main

import (
	"os"

	"github.com/earshot-voip/earshot/internal/frugal"
)

func main() {
	frugal.Memory()
	os.Exit(run(os.Args[1:]))
}
