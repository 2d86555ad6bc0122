package audio

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// readPCM reads little-endian 16-bit samples, full scale 1.
func readPCM(t testing.TB, path ...string) []float32 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(append([]string{"testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]float32, len(raw)/2)
	for i := range pcm {
		pcm[i] = float32(int16(binary.LittleEndian.Uint16(raw[2*i:]))) / fullScale
	}
	return pcm
}

// Every code has the value that another program gives it.
func TestG711DecodesAsOthersDo(t *testing.T) {
	for file, l := range map[string]*law{"mu.s16": muLaw, "a.s16": aLaw} {
		for code, want := range readPCM(t, file) {
			if got := l[code]; got != want {
				t.Errorf("%s: code %#02x: got %v want %v", file, code, got*fullScale, want*fullScale)
			}
		}
	}
}

// The values of ITU-T G.711, tables 1a to 2b, of the ends of the range and of the
// first steps, on the 16-bit scale: 13 and 14 bits, shifted up.
func TestG711DecodesTheStandardsValues(t *testing.T) {
	for _, row := range []struct {
		name string
		law  *law
		code byte
		want float32
	}{
		{"mu-law: the largest value is 8031 of 8159", muLaw, 0x80, 8031 * 4},
		{"mu-law: the smallest value is its negative", muLaw, 0x00, -8031 * 4},
		{"mu-law: positive zero", muLaw, 0xff, 0},
		{"mu-law: negative zero", muLaw, 0x7f, 0},
		{"mu-law: the first step above zero is 2", muLaw, 0xfe, 2 * 4},
		{"mu-law: the second segment begins at 33", muLaw, 0xef, 33 * 4},
		{"A-law: the largest value is 4032 of 4096", aLaw, 0xaa, 4032 * 8},
		{"A-law: the smallest value is its negative", aLaw, 0x2a, -4032 * 8},
		{"A-law: the first value above zero is 1 of 4096", aLaw, 0xd5, 8},
		{"A-law: the first value under zero", aLaw, 0x55, -8},
		{"A-law: the second segment begins at 33 of 4096", aLaw, 0xc5, 33 * 8},
		{"A-law: the third segment begins at 66 of 4096", aLaw, 0xf5, 66 * 8},
	} {
		if got := row.law[row.code] * fullScale; got != row.want {
			t.Errorf("%s: got %v want %v", row.name, got, row.want)
		}
	}
}
