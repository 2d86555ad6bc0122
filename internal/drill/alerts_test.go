package drill

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/dashboards"
)

// What a drill expects are alerts that the rules have, with the labels they have.
func TestScenariosExpectAlertsOfTheRules(t *testing.T) {
	var rules strings.Builder
	err := fs.WalkDir(dashboards.Files, "rules", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(dashboards.Files, path)
		rules.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	expecting := 0
	for _, name := range Names() {
		s, err := Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range s.Expect {
			expecting++
			parts := strings.Split(rules.String(), "- alert: ")
			found := false
			for _, rule := range parts[1:] {
				matches := strings.HasPrefix(rule, e.Alert+"\n")
				for label, value := range e.Labels {
					static, dynamic := regexp.MustCompile(label+": "+value+"\n"), regexp.MustCompile(`(on|group_left) \([a-z, ]*\b`+label+`\b`)
					matches = matches && (static.MatchString(rule) || dynamic.MatchString(rule))
				}
				found = found || matches
			}
			if !found {
				t.Errorf("%s expects %s, which no rule can fire", name, e)
			}
		}
	}
	if expecting < 8 {
		t.Errorf("only %d alerts are expected by all scenarios together", expecting)
	}
}
