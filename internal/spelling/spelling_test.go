package spelling

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"duration", "dscp", "codec", "ice_servers"}
	for _, tt := range []struct{ name, word, want string }{
		{"the word itself", "codec", "codec"},
		{"a letter too few", "durtion", "duration"},
		{"two letters swapped", "ocdec", "codec"},
		{"a letter too many", "dscpp", "dscp"},
		{"another ending", "ice_server", "ice_servers"},
		{"nothing like it", "password", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Nearest(tt.word, known); got != tt.want {
				t.Errorf("got %q want %q", got, tt.want)
			}
		})
	}
}

// The examples are those of the literature on edit distances.
func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"kitten", "sitting", 3}, {"saturday", "sunday", 3}, {"flaw", "lawn", 2}, {"", "abc", 3}, {"abc", "", 3}, {"same", "same", 0},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q): got %d want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
