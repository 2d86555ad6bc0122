package catalog

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/earshot-voip/earshot/probe"
)

// contract are the names that users rely on, with their labels.
var contract = map[string][]string{
	"earshot_calls_total":                             {"target"},
	"earshot_calls_failed_total":                      {"target", "layer", "code"},
	"earshot_calls_degraded_total":                    {"target"},
	"earshot_calls_untrusted_total":                   {"target"},
	"earshot_call_last_timestamp_seconds":             {"target"},
	"earshot_call_layer_seconds":                      {"target", "layer"},
	"earshot_call_first_media_seconds":                {"target"},
	"earshot_windows_total":                           {"target"},
	"earshot_uplink_windows_bad_total":                {"target"},
	"earshot_downlink_windows_bad_total":              {"target"},
	"earshot_uplink_mos":                              {"target", "scale"},
	"earshot_downlink_mos":                            {"target", "scale"},
	"earshot_uplink_packets_expected_total":           {"target"},
	"earshot_uplink_packets_lost_total":               {"target"},
	"earshot_uplink_packets_discarded_total":          {"target"},
	"earshot_downlink_packets_expected_total":         {"target"},
	"earshot_downlink_packets_lost_total":             {"target"},
	"earshot_downlink_packets_discarded_total":        {"target"},
	"earshot_uplink_jitter_seconds":                   {"target"},
	"earshot_downlink_jitter_seconds":                 {"target"},
	"earshot_rtt_seconds":                             {"target"},
	"earshot_audio_state":                             {"target", "state"},
	"earshot_self_send_late_seconds":                  {},
	"earshot_self_receive_wake_seconds":               {},
	"earshot_certificate_not_after_timestamp_seconds": {"target", "hop"},
	"earshot_config_last_reload_successful":           {},
	"earshot_build_info":                              {"version", "revision", "goversion"},
	"probe_success":                                   {},
	"probe_duration_seconds":                          {},
}

func TestTheContractHolds(t *testing.T) {
	found := map[string][]string{}
	for _, m := range All() {
		if _, twice := found[m.Name]; twice {
			t.Errorf("%s is there twice", m.Name)
		}
		found[m.Name] = m.AllLabels()
	}
	for name, labels := range contract {
		if got, ok := found[name]; !ok || !slices.Equal(got, labels) {
			t.Errorf("%s: got labels %v, there %v; want %v", name, got, ok, labels)
		}
	}
}

// bounded are the labels whose values come from a list, or from the
// configuration. No address of a call and no error text is among them.
var bounded = []string{
	"target", "receiver", "hop", "site", "version", "revision", "goversion", // configuration and build
	"layer", "code", "reason", "verdict", "scale", "cause", "evidence", "state", "codec", "kind", "mode", "relay",
	"local", "remote", "protocol", // types of candidates
}

func TestEveryMetricIsInGoodForm(t *testing.T) {
	name := regexp.MustCompile(`^(earshot_[a-z][a-z0-9_]*|probe_success|probe_duration_seconds)$`)
	for _, m := range All() {
		problem := func(format string, args ...any) { t.Helper(); t.Errorf(m.Name+": "+format, args...) }
		if !name.MatchString(m.Name) {
			problem("not a name of ours")
		}
		if strings.HasSuffix(m.Name, "_total") != (m.Type == Counter) {
			problem("_total is for counters, this is a %s", m.Type)
		}
		switch base := strings.TrimSuffix(m.Name, "_total"); {
		case m.Unit == Seconds && !strings.HasSuffix(base, "_seconds"),
			m.Unit == Timestamp && !strings.HasSuffix(base, "_timestamp_seconds"),
			m.Unit == Bytes && !strings.HasSuffix(base, "_bytes"),
			m.Unit == Ratio && !strings.HasSuffix(base, "_ratio"):
			problem("does not end with its unit, %s", m.Unit)
		case m.Unit != Seconds && m.Unit != Timestamp && strings.HasSuffix(base, "_seconds"):
			problem("its unit is not %q", m.Unit)
		}
		if !strings.HasSuffix(m.Help, ".") || strings.Contains(m.Help, "%") && !strings.Contains(m.Help, "95 %") || m.Help[:1] != strings.ToUpper(m.Help[:1]) {
			problem("the help is not a sentence: %q", m.Help)
		}
		if m.Unit == Seconds && !strings.Contains(m.Help, "in seconds") {
			problem("the help does not say the unit: %q", m.Help)
		}
		for _, l := range m.AllLabels() {
			if !slices.Contains(bounded, l) {
				problem("label %s is not known to be bounded", l)
			}
		}
		if (m.Type == Histogram) != (len(m.Buckets) > 0) || !slices.IsSorted(m.Buckets) {
			problem("buckets %v of a %s", m.Buckets, m.Type)
		}
		if !slices.Contains(Groups, m.Group) {
			problem("group %q is not listed", m.Group)
		}
		if !m.readable() {
			problem("nothing reads it")
		}
		fromCalls := m.FromCall != nil || m.FromWindow != nil
		if m.PerTarget && m.Type == Gauge && (fromCalls || m.FromPlan != nil) == (m.Life == "") {
			problem("how long it is shown: %q", m.Life)
		}
	}
}

func (m *Metric) readable() bool {
	return m.FromPlan != nil || m.FromCall != nil || m.FromWindow != nil || m.Spread != nil ||
		m.FromJob != nil || m.FromStatus != nil || m.FromProcess != nil || m.FromReceiver != nil || m.FromHistory != nil || m.FromShot != nil
}

// What packets are counted by must have the bounds of the classic form, or these
// could not be exact.
func TestClassicBoundsOfPacketsAreMarks(t *testing.T) {
	for _, m := range All() {
		for _, b := range m.Buckets {
			if m.Spread != nil && !slices.Contains(probe.HistogramMarks(), b) {
				t.Errorf("%s: %v is not in probe.HistogramMarks", m.Name, b)
			}
		}
	}
}

func TestDirectionsComeInPairs(t *testing.T) {
	names := map[string]*Metric{}
	for _, m := range All() {
		names[m.Name] = m
	}
	for _, m := range All() {
		if m.Direction() != "uplink" {
			continue
		}
		other := names[strings.Replace(m.Name, "uplink", "downlink", 1)]
		if other == nil || other.Type != m.Type || other.Unit != m.Unit || !slices.Equal(other.Labels, m.Labels) || other.Help == m.Help {
			t.Errorf("%s and %v are no pair", m.Name, other)
		}
	}
}
