package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

func encode(t *testing.T, r *probe.Result) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := JSON(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func decode(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return m
}

// contract reads the example of the written contract, with its ellipses filled
// in by what they stand for.
func contract(t *testing.T) map[string]any {
	t.Helper()
	raw, err := os.ReadFile("testdata/contract.jsonc")
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`//.*`).ReplaceAllString(string(raw), "")
	text = regexp.MustCompile(`, … the same … *`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "{…}", "{}")
	text = regexp.MustCompile(`:…`).ReplaceAllString(text, ":0.5")
	text = regexp.MustCompile(`,\s*\]`).ReplaceAllString(text, "]")
	m := decode(t, []byte(text))
	m["downlink"] = m["uplink"]
	route := m["route"].(map[string]any)
	route["remote"] = route["local"]
	window := m["windows"].([]any)[0].(map[string]any)
	window["uplink"] = map[string]any{"evidence": ""}
	window["downlink"] = map[string]any{"evidence": ""}
	window["rtt_seconds"] = m["round_trip"].(map[string]any)["rtt_seconds"]
	return m
}

// compare reports every path of want that got lacks or has with another type.
// It returns how many paths it visited.
func compare(t *testing.T, path string, want, got any) int {
	t.Helper()
	if want == nil {
		return 1 // any type: the example shows the absence
	}
	if reflect.TypeOf(want) != reflect.TypeOf(got) {
		t.Errorf("%s: got %T, the contract has %T", path, got, want)
		return 1
	}
	visited := 1
	switch want := want.(type) {
	case map[string]any:
		for key, value := range want {
			one, ok := got.(map[string]any)[key]
			if !ok {
				t.Errorf("%s.%s is missing", path, key)
				continue
			}
			visited += compare(t, path+"."+key, value, one)
		}
	case []any:
		list := got.([]any)
		if len(list) == 0 {
			t.Errorf("%s is empty", path)
			return visited
		}
		visited += compare(t, path+"[0]", want[0], list[0])
	}
	return visited
}

func TestJSONHasEveryPathOfTheContract(t *testing.T) {
	got := decode(t, encode(t, goodCall()))
	if n := compare(t, "$", contract(t), got); n < 120 {
		t.Errorf("visited %d paths, the contract has more: its example was not read well", n)
	}
}

// These structs are written down from the contract, not from the code.
type (
	contractQuantiles struct{ Min, P50, P95, P99, Max *float64 }
	contractScore     struct {
		Scale        string
		R            float64
		MOS          float64
		MOSLow       float64 `json:"mos_low"`
		MOSHigh      float64 `json:"mos_high"`
		MOSListening float64 `json:"mos_listening"`
		DelayCost    float64 `json:"delay_cost"`
		LossCost     float64 `json:"loss_cost"`
		CodecCost    float64 `json:"codec_cost"`
	}
	contractDirection struct {
		Evidence     string
		Expected     *int64   `json:"packets_expected"`
		Received     *int64   `json:"packets_received"`
		Lost         *int64   `json:"packets_lost"`
		LossRatio    *float64 `json:"loss_ratio"`
		Duplicated   *int64   `json:"packets_duplicated"`
		Reordered    *int64   `json:"packets_reordered"`
		Jitter       *float64 `json:"jitter_seconds"`
		JitterMax    *float64 `json:"jitter_max_seconds"`
		DiscardRatio *float64 `json:"discard_ratio"`
		Burst        *struct {
			Count      int64
			Density    float64
			Duration   float64 `json:"duration_seconds"`
			GapDensity float64 `json:"gap_density"`
			R          float64 `json:"burst_r"`
		}
		Variation *contractQuantiles `json:"delay_variation_seconds"`
		Score     *contractScore
	}
	contractGap struct {
		Start   float64 `json:"start_seconds"`
		Seconds float64 `json:"seconds"`
	}
	contractEndpoint struct{ Address, Type, Protocol string }
	contractReport   struct {
		Schema, ID, Name, Site, Target string
		Started                        time.Time
		Elapsed                        float64 `json:"elapsed_seconds"`
		Verdict, Summary               string
		Failure                        *struct{ Layer, Code, Hint, Error string }
		Layers                         []struct {
			Layer, State, Detail string
			Seconds              *float64
		}
		FirstMedia *float64 `json:"first_media_seconds"`
		Codec      *struct {
			Name      string
			ClockRate int     `json:"clock_rate"`
			Frame     float64 `json:"frame_seconds"`
		}
		Route *struct {
			Local, Remote contractEndpoint
			Relayed       bool
		}
		Echo             struct{ Kind string }
		Uplink, Downlink contractDirection
		RoundTrip        struct {
			Sent      int64              `json:"packets_sent"`
			Returned  int64              `json:"packets_returned"`
			LossRatio *float64           `json:"loss_ratio"`
			RTT       *contractQuantiles `json:"rtt_seconds"`
		} `json:"round_trip"`
		Audio struct {
			State string
			Level *float64 `json:"level_dbov"`
			Match *float64 `json:"match_ratio"`
			Delay *float64 `json:"delay_seconds"`

			Active     *float64      `json:"active_level_dbov"`
			Gain       *float64      `json:"gain_db"`
			Clipping   *float64      `json:"clipping_ratio"`
			Accuracy   *float64      `json:"delay_accuracy_seconds"`
			MouthToEar *float64      `json:"mouth_to_ear_seconds"`
			Missing    *float64      `json:"missing_seconds"`
			Gaps       []contractGap `json:"gaps"`
		}
		Self struct {
			Trusted     *bool
			Timestamps  *string
			SendLate    *contractQuantiles `json:"send_late_seconds"`
			SlotsMissed *int64             `json:"slots_missed"`
			ReceiveWake *contractQuantiles `json:"receive_wake_seconds"`
		}
		Windows []struct {
			Start            float64 `json:"start_seconds"`
			Seconds          float64
			Uplink, Downlink contractDirection
			RTT              *contractQuantiles `json:"rtt_seconds"`
			Audio            struct{ State string }
		}
	}
)

func readReport(t *testing.T, r *probe.Result) contractReport {
	t.Helper()
	var c contractReport
	if err := json.Unmarshal(encode(t, r), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if v := reflect.ValueOf(got); v.Kind() == reflect.Pointer {
		if v.IsNil() {
			t.Errorf("%s: got null, want %v", what, want)
			return
		}
		got = v.Elem().Interface()
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestJSONOfAGoodCallSaysWhatWasMeasured(t *testing.T) {
	c := readReport(t, goodCall())
	equal(t, "schema", c.Schema, "earshot.report/v1")
	equal(t, "id", c.ID, "9f86d081884c7d65")
	equal(t, "name", c.Name, "echo.example.com:8443")
	equal(t, "site", c.Site, "paris-front-office")
	equal(t, "target", c.Target, "https://echo.example.com:8443/echo")
	equal(t, "started", c.Started, time.Date(2026, 11, 23, 20, 6, 0, 123_000_000, time.UTC))
	equal(t, "elapsed", c.Elapsed, 11.2)
	equal(t, "verdict", c.Verdict, "good")
	if c.Failure != nil {
		t.Errorf("failure: got %v", c.Failure)
	}
	equal(t, "first media", c.FirstMedia, 0.19)
	equal(t, "codec", fmt.Sprint(*c.Codec), "{PCMU 8000 0.02}")
	equal(t, "route", fmt.Sprint(*c.Route), "{{198.51.100.4:41234 host udp} {192.0.2.7:40000 host udp} false}")
	equal(t, "echo", c.Echo.Kind, "stamping")

	var layers []string
	for _, l := range c.Layers {
		layers = append(layers, l.Layer)
	}
	equal(t, "layers", strings.Join(layers, " "), "resolve connect tls signaling gather ice dtls media audio quality")
	equal(t, "seconds of connect", c.Layers[1].Seconds, 0.0124)

	u := c.Uplink
	equal(t, "evidence", u.Evidence, "stamps")
	equal(t, "expected", u.Expected, int64(500))
	equal(t, "received", u.Received, int64(490))
	equal(t, "lost", u.Lost, int64(10))
	equal(t, "loss ratio", u.LossRatio, 0.02)
	equal(t, "duplicated", u.Duplicated, int64(0))
	equal(t, "reordered", u.Reordered, int64(0))
	equal(t, "jitter", u.Jitter, 0.0031)
	equal(t, "jitter max", u.JitterMax, 0.0044)
	equal(t, "discard ratio", u.DiscardRatio, 0.004)
	equal(t, "burst", fmt.Sprint(*u.Burst), "{2 0.5 0.08 0.3 1.9}")
	equal(t, "variation p50", u.Variation.P50, 0.001)
	equal(t, "variation p95", u.Variation.P95, 0.006)
	equal(t, "variation p99", u.Variation.P99, 0.0081)
	equal(t, "variation max", u.Variation.Max, 0.012)
	equal(t, "score", fmt.Sprint(*u.Score), "{nb 88.1 4.29 4.21 4.34 4.31 0.2 4.9 0}")

	d := c.Downlink
	equal(t, "downlink evidence", d.Evidence, "sequence")
	equal(t, "downlink expected", d.Expected, int64(490))
	equal(t, "downlink received", d.Received, int64(480))
	equal(t, "downlink duplicated", d.Duplicated, int64(1))
	equal(t, "downlink reordered", d.Reordered, int64(3))

	equal(t, "sent", c.RoundTrip.Sent, int64(500))
	equal(t, "returned", c.RoundTrip.Returned, int64(480))
	equal(t, "round trip loss", c.RoundTrip.LossRatio, 0.04)
	equal(t, "RTT min", c.RoundTrip.RTT.Min, 0.012)
	equal(t, "RTT p50", c.RoundTrip.RTT.P50, 0.0126)
	equal(t, "RTT p95", c.RoundTrip.RTT.P95, 0.018)
	equal(t, "RTT p99", c.RoundTrip.RTT.P99, 0.02)
	equal(t, "RTT max", c.RoundTrip.RTT.Max, 0.024)
	equal(t, "audio", c.Audio.State, "ok")
	equal(t, "level", c.Audio.Level, -26.1)
	equal(t, "match", c.Audio.Match, 1.0)
	equal(t, "delay", c.Audio.Delay, 0.043)
	equal(t, "delay accuracy", c.Audio.Accuracy, 0.00021)
	equal(t, "mouth to ear", c.Audio.MouthToEar, 0.083)
	equal(t, "active level", c.Audio.Active, -25.4)
	equal(t, "gain", c.Audio.Gain, 0.0)
	equal(t, "clipping", c.Audio.Clipping, 0.0)
	equal(t, "missing", c.Audio.Missing, 0.4)
	equal(t, "gaps", len(c.Audio.Gaps), 2)
	equal(t, "second gap", c.Audio.Gaps[1], contractGap{3, 0.14})
	equal(t, "audio of the first window", c.Windows[0].Audio.State, "ok")
	equal(t, "audio of the second window", c.Windows[1].Audio.State, "silent")
	equal(t, "trusted", c.Self.Trusted, true)
	equal(t, "timestamps", c.Self.Timestamps, "kernel")
	equal(t, "send late p50", c.Self.SendLate.P50, 0.000024)
	equal(t, "send late p99", c.Self.SendLate.P99, 0.000056)
	equal(t, "send late max", c.Self.SendLate.Max, 0.00013)
	equal(t, "wake max", c.Self.ReceiveWake.Max, 0.0004)
	equal(t, "missed", c.Self.SlotsMissed, int64(0))
	equal(t, "windows", len(c.Windows), 2)
	equal(t, "second window", fmt.Sprint(c.Windows[1].Start, c.Windows[1].Seconds), "5 5")
	equal(t, "window's MOS", c.Windows[0].Uplink.Score.MOS, 3.6)
}

func TestJSONOfAFailureNamesLayerCodeHintAndError(t *testing.T) {
	c := readReport(t, callFailedAtTLS())
	if c.Failure == nil {
		t.Fatal("failure is null")
	}
	equal(t, "layer", c.Failure.Layer, "tls")
	equal(t, "code", c.Failure.Code, "tls_certificate_expired")
	if c.Failure.Hint == "" || !strings.Contains(c.Failure.Error, "certificate has expired") {
		t.Errorf("got %+v", *c.Failure)
	}
	states := map[string]string{}
	for _, l := range c.Layers {
		states[l.Layer] = l.State
	}
	equal(t, "states", states, map[string]string{
		"resolve": "ok", "connect": "ok", "tls": "failed", "signaling": "not_run", "gather": "ok",
		"ice": "not_run", "dtls": "not_run", "media": "not_run", "audio": "not_run", "quality": "not_run",
	})
}

// at looks up a path like "layers.3.seconds"; absent keys fail the test.
func at(t *testing.T, m any, path string) any {
	t.Helper()
	for _, key := range strings.Split(path, ".") {
		switch node := m.(type) {
		case map[string]any:
			v, ok := node[key]
			if !ok {
				t.Fatalf("%s: no key %s", path, key)
			}
			m = v
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(node) {
				t.Fatalf("%s: no element %s", path, key)
			}
			m = node[i]
		default:
			t.Fatalf("%s: %v has no %s", path, m, key)
		}
	}
	return m
}

func TestJSONIsNullWhereNothingIsKnown(t *testing.T) {
	known := func(prefix string, keys ...string) (paths []string) {
		for _, k := range keys {
			paths = append(paths, prefix+"."+k)
		}
		return paths
	}
	all := []string{"packets_expected", "packets_received", "packets_lost", "loss_ratio", "packets_duplicated", "packets_reordered",
		"jitter_seconds", "jitter_max_seconds", "discard_ratio", "burst", "delay_variation_seconds", "score"}
	perPacket := []string{"packets_duplicated", "packets_reordered", "discard_ratio", "burst", "delay_variation_seconds", "score"}
	for _, c := range []struct {
		name   string
		result func() *probe.Result
		null   []string
	}{
		{"a call that broke below media knows nothing of either direction", callFailedAtTLS,
			append(append(known("uplink", all...), known("downlink", all...)...),
				"first_media_seconds", "codec", "route", "round_trip.loss_ratio", "round_trip.rtt_seconds",
				"audio.level_dbov", "audio.match_ratio", "audio.delay_seconds",
				"self.trusted", "self.timestamps", "self.send_late_seconds", "self.slots_missed", "self.receive_wake_seconds",
				"layers.3.seconds", "layers.9.seconds")},
		{"a silent direction is unknown, not lost", oneWayCall,
			append(append(known("downlink", all...), known("uplink", perPacket...)...),
				"round_trip.rtt_seconds", "first_media_seconds", "self.receive_wake_seconds", "layers.0.seconds", "layers.2.seconds")},
		{"receiver reports know no single packets", callKnownByReports,
			append(known("uplink", perPacket...), "uplink.jitter_max_seconds")},
		{"audio that was silent has a level and nothing to compare", silentCall, []string{
			"audio.active_level_dbov", "audio.gain_db", "audio.clipping_ratio", "audio.delay_seconds",
			"audio.delay_accuracy_seconds", "audio.mouth_to_ear_seconds", "uplink.score", "downlink.score"}},
		{"a call that is not trusted has no score", untrustedCall, []string{"uplink.score", "downlink.score"}},
		{"one packet has no jitter, and no packet no ratio", callTooShortToScore,
			append(known("downlink", "loss_ratio", "discard_ratio", "burst", "jitter_seconds", "delay_variation_seconds", "score"),
				"uplink.jitter_seconds", "uplink.jitter_max_seconds", "round_trip.rtt_seconds", "audio.match_ratio")},
		{"an empty result is null where it cannot know", results["empty"], append(known("uplink", all...), "self.trusted")},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := decode(t, encode(t, c.result()))
			for _, path := range c.null {
				if v := at(t, doc, path); v != nil {
					t.Errorf("%s: got %v, want null", path, v)
				}
			}
		})
	}
}

func TestJSONKeepsWhatReceiverReportsKnow(t *testing.T) {
	u := readReport(t, callKnownByReports()).Uplink
	equal(t, "expected", u.Expected, int64(500))
	equal(t, "received", u.Received, int64(490))
	equal(t, "lost", u.Lost, int64(10))
	equal(t, "loss ratio", u.LossRatio, 0.02)
	equal(t, "jitter", u.Jitter, 0.0031)
}

func TestJSONKeepsZeroApartFromUnknown(t *testing.T) {
	c := readReport(t, callTooShortToScore())
	equal(t, "returned", c.RoundTrip.Returned, int64(0))
	equal(t, "round trip loss", c.RoundTrip.LossRatio, 1.0)
	equal(t, "lost", c.Uplink.Lost, int64(0))
	equal(t, "loss ratio", c.Uplink.LossRatio, 0.0)
	u := readReport(t, untrustedCall())
	equal(t, "trusted", u.Self.Trusted, false)
	equal(t, "timestamps", u.Self.Timestamps, "user")
}

func TestJSONHasNoNullLists(t *testing.T) {
	doc := decode(t, encode(t, &probe.Result{}))
	for _, path := range []string{"windows", "deviations", "second_opinions", "certificates", "self.reasons"} {
		if _, ok := at(t, doc, path).([]any); !ok {
			t.Errorf("%s: got %v, want []", path, at(t, doc, path))
		}
	}
	if n := len(at(t, doc, "layers").([]any)); n != 10 {
		t.Errorf("layers: got %d, want 10", n)
	}
}

func TestJSONWritesNoNumberThatIsNone(t *testing.T) {
	r := goodCall()
	nan := math.NaN()
	r.Uplink.Burst.Density, r.Uplink.Burst.R = math.Inf(1), nan
	r.Uplink.Score.MOS, r.Audio.LevelDBOV = nan, &nan
	doc := decode(t, encode(t, r))
	for _, path := range []string{"uplink.burst.density", "uplink.burst.burst_r", "uplink.score.mos", "audio.level_dbov"} {
		if v := at(t, doc, path); v != nil {
			t.Errorf("%s: got %v, want null", path, v)
		}
	}
}

func FuzzSecondsAreExactToTheNanosecond(f *testing.F) {
	for _, d := range []int64{0, 1, 4_350_000_000, 1_100_000_000, 999_999_999_999_999, -5} {
		f.Add(d)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		n %= int64(90 * 24 * time.Hour) // beyond 2^53 ns a float64 has no nanoseconds
		d := time.Duration(n)
		text := strconv.FormatFloat(*seconds(d), 'f', -1, 64)
		if _, decimals, _ := strings.Cut(text, "."); len(decimals) > 9 {
			t.Errorf("%d ns: %s has more digits than nanoseconds", n, text)
		}
		if back, err := time.ParseDuration(text + "s"); err != nil || back != d {
			t.Errorf("%d ns: %s reads as %d, %v", n, text, back, err)
		}
	})
}

func TestExitCodeFollowsTheVerdict(t *testing.T) {
	for verdict, want := range map[probe.Verdict]int{
		probe.Good: 0, probe.Degraded: 1, probe.Failed: 2, probe.Untrusted: 3, "": 2,
	} {
		if got := ExitCode(&probe.Result{Verdict: verdict}); got != want {
			t.Errorf("%q: got %d, want %d", verdict, got, want)
		}
	}
}
