package main

import (
	"context"
	"strings"

	"github.com/earshot-voip/earshot/bench/internal/rig"
	"github.com/earshot-voip/earshot/internal/drill"
)

// far is an echo of its own, and the targets that call it.
type far struct {
	settings []string // one for each target, as YAML beside its name and URL
	targets  []string // their names

	program, listen string
	echo            *rig.Program
	endpoint        drill.Endpoint
}

// continuous are the settings of a call that stays up. A codec is what the
// agent's file says if it is empty.
func continuous(codec, renew string) string {
	settings := "mode: continuous, renew: " + renew
	if codec != "" {
		settings += ", codec: " + codec
	}
	return settings
}

// serve starts the echo, on the same port as before if there was one.
func (f *far) serve(ctx context.Context) error {
	if f.listen == "" {
		f.listen = "127.0.0.1:0"
	}
	var err error
	if f.echo, err = rig.Launch(ctx, f.program, "echo", "--drill", "--listen", f.listen); err != nil {
		return err
	}
	url, err := f.echo.Hear(`listening on (\S+),`)
	if err != nil {
		return err
	}
	f.endpoint = drill.Endpoint{URL: url}
	f.listen, _, _ = strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	return nil
}
