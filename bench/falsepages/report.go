package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

// The aims.
const (
	mostWarnings = 2.0         // a week, of 20 targets
	soonEnough   = time.Minute // from the onset to the page; Alertmanager's group_wait comes on top
	// afterwards is how long after an incident a page for it may still begin: the
	// short range of the fast burn, and a scrape.
	afterwards = 6 * time.Minute
)

// described says of each kind of noise what draw.events draws.
var described = map[kind]string{
	blip:    "0.3 to 5 s of 5 to 60 %, now and then 5 to 10 s of 5 to 30 %, up to 4 packets in a row",
	outage:  "0.1 to 3 s, now and then 3 to 10 s",
	swell:   "20 s to 3 min, jitter up by 0.3 to 1.2 ms and loss by 0.02 to 0.08 %",
	detour:  "round trip of 4 ms less to 16 ms more, 12 min to 12 h",
	refusal: "1 to 6 s in which it takes no calls",
}

// write makes the page.
func write(r *rig.Report, noise plan, quiet outcome, control plan, paged outcome) {
	weeks := noise.Span.Hours() / (7 * 24)
	r.Text("%s of noise on %d targets of four sites: real agents (%d calls without pause, the others every minute and every five) place simulated calls, in "+
		"simulated time; their exporters are scraped every %v, and Prometheus' own rule engine evaluates `dashboards/rules` as they are, each group at its own "+
		"interval. Seed %d. No incident is among the noise: no burst of loss and no outage lasts longer than %v. An alert counts once for each target (and direction) "+
		"for which it begins to fire.",
		span(noise.Span), quiet.Targets, len(quiet.Continuous), noise.Scrape, noise.Seed, mostNoise)

	pages, warnings := count(quiet.Alerts, "critical"), count(quiet.Alerts, "warning")
	perWeek := float64(warnings) / weeks
	r.Table([]string{"alerts that fired for it", "times", "a week", "aim"}, [][]string{
		{"pages (severity critical)", fmt.Sprint(pages), fmt.Sprintf("%.1f", float64(pages)/weeks), "0"},
		{"warnings", fmt.Sprint(warnings), fmt.Sprintf("%.1f", perWeek), fmt.Sprintf("at most %.0f", mostWarnings)},
		{"infos", fmt.Sprint(count(quiet.Alerts, "info")), fmt.Sprintf("%.1f", float64(count(quiet.Alerts, "info"))/weeks), "–"},
	})
	if pages > 0 {
		r.Complain("people were paged %d times for nothing", pages)
	}
	if perWeek > mostWarnings && noise.Span >= 24*time.Hour { // hours are too short for a rate
		r.Complain("%.1f warnings a week, %.0f are the most", perWeek, mostWarnings)
	}
	if rows := byName(quiet.Alerts, weeks); len(rows) > 0 {
		r.Table([]string{"alert", "severity", "times", "a week", "sites"}, rows)
	}

	r.Section("The noise")
	var rows [][]string
	for _, k := range slices.Sorted(maps.Keys(quiet.Noise)) {
		rows = append(rows, []string{string(k) + ": " + described[k], fmt.Sprint(quiet.Noise[k])})
	}
	rows = append(rows,
		[]string{"restart of a probe", fmt.Sprint(quiet.Restarts)},
		[]string{"scrape that failed, of " + fmt.Sprint(quiet.Scrapes), fmt.Sprint(quiet.Gaps)},
		[]string{"untrusted window, of " + fmt.Sprint(quiet.Windows), fmt.Sprint(quiet.Untrusted)},
		[]string{"bad or silent window, of " + fmt.Sprint(quiet.Windows), fmt.Sprint(quiet.Bad)},
		[]string{"failed call, of " + fmt.Sprint(quiet.Calls), fmt.Sprint(quiet.Failed)})
	r.Table([]string{"what happened", "times"}, rows)
	r.Text("Bursts of loss and swells come in office hours most of the time. Beside them jitter and loss follow the load of the hour: fibre 0.2 to 1 ms and up to 0.03 %%, " +
		"a line that is full in office hours 0.5 to 2 ms and up to 0.2 %%, a mobile network 3 to 4 ms and 0.05 to 0.2 %%, and a distant site on a noisy host, of whose windows " +
		"2 %% are untrusted, 12 %% during a backup at night, and more for 40 s of each hour.")
	r.Text("%d samples were stored and %d rules evaluated.", quiet.Samples, quiet.Evaluated)
	if quiet.Bad == 0 || quiet.Untrusted == 0 || quiet.Noise[blip] == 0 || quiet.Noise[outage] == 0 {
		r.Complain("there was no noise: %v", quiet.Noise)
	}

	r.Section("The control")
	i := control.Incident
	r.Text("%s of the same noise, with one incident: %.0f %% of the uplink of %s lost in bursts for %v. Every call without pause of that site must be paged for within %v, "+
		"and nothing else.", span(control.Span), 100*i.Loss, i.Site, i.Span, soonEnough)
	onset := monday.Add(i.At)
	took, stray := judge(paged, onset, i)
	var targets [][]string
	for _, name := range slices.Sorted(maps.Keys(took)) {
		text := "no page"
		if took[name] > 0 {
			text = fmt.Sprintf("%.0f s", took[name].Seconds())
		}
		if took[name] <= 0 || took[name] > soonEnough {
			r.Complain("the control: %s was to be paged for within %v: %s", name, soonEnough, text)
		}
		targets = append(targets, []string{name, text})
	}
	r.Table([]string{"target", "from onset to firing"}, targets)
	for _, a := range stray {
		r.Complain("the control: a page without its incident: %s", a)
	}
}

// judge looks at the pages of the control: how long each target of the incident
// took to be paged for (zero: it was not), and which pages had no reason.
func judge(o outcome, onset time.Time, i *incident) (took map[string]time.Duration, stray []firing) {
	took = map[string]time.Duration{}
	for _, name := range o.Continuous {
		if strings.HasPrefix(name, i.Site+"/") {
			took[name] = 0
		}
	}
	for _, a := range o.Alerts {
		if a.Severity != "critical" {
			continue
		}
		after := a.From.Sub(onset)
		if a.Site != i.Site || after <= 0 || after > i.Span+afterwards {
			stray = append(stray, a)
			continue
		}
		name := a.Site + "/" + a.Target
		if first, is := took[name]; is && (first == 0 || after < first) {
			took[name] = after
		}
	}
	return took, stray
}

func count(alerts []firing, severity string) int {
	n := 0
	for _, a := range alerts {
		if a.Severity == severity {
			n++
		}
	}
	return n
}

// byName counts alerts by their names, the most urgent first.
func byName(alerts []firing, weeks float64) [][]string {
	type key struct{ severity, name string }
	times, sites := map[key]int{}, map[key]map[string]int{}
	for _, a := range alerts {
		k := key{a.Severity, a.Name}
		times[k]++
		if sites[k] == nil {
			sites[k] = map[string]int{}
		}
		sites[k][a.Site]++
	}
	order := []string{"critical", "warning", "info"}
	keys := slices.SortedFunc(maps.Keys(times), func(a, b key) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.severity), slices.Index(order, b.severity)), cmp.Compare(times[b], times[a]), cmp.Compare(a.name, b.name))
	})
	var rows [][]string
	for _, k := range keys {
		var where []string
		for _, s := range slices.Sorted(maps.Keys(sites[k])) {
			where = append(where, fmt.Sprintf("%s %d", s, sites[k][s]))
		}
		rows = append(rows, []string{k.name, k.severity, fmt.Sprint(times[k]), fmt.Sprintf("%.1f", float64(times[k])/weeks), strings.Join(where, ", ")})
	}
	return rows
}

// span says how long a simulation is.
func span(d time.Duration) string {
	if d >= 48*time.Hour {
		return fmt.Sprintf("%.0f days", d.Hours()/24)
	}
	return fmt.Sprintf("%.1f hours", d.Hours())
}
