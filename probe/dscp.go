package probe

import (
	"fmt"
	"strconv"
	"strings"
)

// DSCP is the differentiated services code point that sent media carries
// (RFC 2474), as a name ("ef", "af41", "cs0") or a number. The empty string is
// "ef", which RFC 8837 gives to interactive audio.
type DSCP string

// codePoint returns 0..63.
func (d DSCP) codePoint() (int, error) {
	name := strings.ToLower(strings.TrimSpace(string(d)))
	switch {
	case name == "" || name == "ef":
		return 46, nil
	case name == "be" || name == "default":
		return 0, nil
	case len(name) == 3 && strings.HasPrefix(name, "cs") && name[2] >= '0' && name[2] <= '7':
		return int(name[2]-'0') * 8, nil
	case len(name) == 4 && strings.HasPrefix(name, "af") && name[2] >= '1' && name[2] <= '4' && name[3] >= '1' && name[3] <= '3':
		return int(name[2]-'0')*8 + int(name[3]-'0')*2, nil
	}
	if v, err := strconv.Atoi(name); err == nil && v >= 0 && v <= 63 {
		return v, nil
	}
	return 0, fmt.Errorf("unknown code point %q: expected ef, af11 to af43, cs0 to cs7, or a number from 0 to 63", string(d))
}
