// The command gen writes what package dashgen makes into the tree. It runs in
// internal/dashgen, by go generate.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/earshot-voip/earshot/internal/dashgen"
)

func main() {
	if err := write(filepath.Join("..", "..")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(root string) error {
	files, err := dashgen.Files()
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}
