package config

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// place is a mapping in a document: what is said about its keys ends up at the
// right line.
type place struct {
	doc     *document
	path    string
	base    *place // the defaults, where keys may be given that are not given here; nil: none
	reading *reading
}

// at is the place that gives a key: this one or the defaults.
func (p place) at(key string) place {
	if p.base != nil && !p.given(key) && p.base.given(key) {
		return *p.base
	}
	return p
}

// under is the place of the mapping that a key holds.
func (p place) under(key string) place {
	p = p.at(key)
	p.path, p.base = join(p.path, key), nil
	return p
}

// index is the place of an element of the list that a key holds.
func (p place) index(key string, i int) place {
	p = p.under(key)
	p.path += fmt.Sprintf("[%d]", i)
	return p
}

// problem notes what is wrong with the value of a key, which may have an index;
// with an empty key, of the place itself.
func (p place) problem(key, format string, args ...any) {
	name, _, _ := strings.Cut(key, "[")
	p = p.at(name)
	path := p.path
	if key != "" {
		path = join(path, key)
	}
	p.doc.problem(path, format, args...)
}

// given reports whether this place itself has the key, and not the defaults.
func (p place) given(key string) bool { return p.doc.given(join(p.path, key)) }

// where names the place, for a problem elsewhere: "earshot.yml:14".
func (p place) where() string {
	if line := p.doc.lines[p.path]; line > 0 {
		return fmt.Sprintf("%s:%d", p.doc.file, line)
	}
	return p.doc.file
}

// read reads the file that the value of a key names. Relative names are
// relative to the folder of the document that gives the value.
func (p place) read(key, name string) ([]byte, error) {
	name = relative(p.at(key).doc.file, name)
	p.reading.secrets = append(p.reading.secrets, name)
	return p.reading.seen.read(name)
}

func relative(document, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(document), name)
}

// secret reads a secret from the file or the environment variable that two keys
// name; "" without either.
func (p place) secret(key, file, variable string) string {
	switch {
	case file != "" && variable != "":
		p.problem(key+"_env", "cannot be given beside %s_file; hint: keep one of the two", key)
	case variable != "":
		value := strings.TrimSpace(os.Getenv(variable))
		if value == "" {
			p.problem(key+"_env", "the environment variable %s is empty or not set", variable)
		}
		return value
	case file != "":
		text, err := p.read(key+"_file", file)
		if err == nil {
			text, err = oneLine(file, text)
		}
		if err != nil {
			p.problem(key+"_file", "%v", err)
		}
		return string(text)
	}
	return ""
}

// Secret reads a secret, which is the one line of a file.
func Secret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err == nil {
		text, err = oneLine(file, text)
	}
	return string(text), err
}

func oneLine(file string, text []byte) ([]byte, error) {
	text = bytes.TrimSpace(text)
	switch {
	case len(text) == 0:
		return nil, fmt.Errorf("%s is empty", file)
	case bytes.ContainsAny(text, "\r\n"):
		return nil, fmt.Errorf("%s has more than one line", file)
	}
	return text, nil
}

// Authorities reads certificates to trust from a PEM file.
func Authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return authorities(file, text)
}

func authorities(file string, text []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM form", file)
	}
	return pool, nil
}
