package agent

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/earshot-voip/earshot/probe"
)

func TestWhatAPlanTakes(t *testing.T) {
	often, rarely := periodic("often", 24*time.Second, 10*time.Second), periodic("rarely", time.Hour, 10*time.Second)
	always := lasting("always", time.Hour)
	for i, codec := range []string{"pcmu", "pcma", "pcmu"} {
		[]*Job{&often, &rarely, &always}[i].Target.Codec = codec
	}
	p := Plan{Jobs: []Job{often, rarely, always}}
	if n := p.Continuous(); n != 1 {
		t.Errorf("got %d continuous jobs", n)
	}
	// Calls of 10 s take 2 s more: half of the time, a three hundredth, all of it.
	if got, want := p.Load(), 0.5+1.0/300+1; math.Abs(got-want) > 1e-9 {
		t.Errorf("got a load of %v want %v", got, want)
	}
	// 100 packets of 264 bytes a second both ways, for the seconds of a day with media.
	second := 100 * (160 + 60 + 16 + 28)
	want := second * (86400*10/24 + 24*10 + 86400)
	if got := p.BytesPerDay(); math.Abs(float64(got)-float64(want)) > float64(second) {
		t.Errorf("got %d bytes a day want %d", got, want)
	}
}

func TestADayOfTrafficIsForgotten(t *testing.T) {
	var d daily
	d.add(0, 1)
	d.add(day/2, 10)
	for _, tt := range []struct {
		at   time.Duration
		want int64
	}{
		{day / 2, 11}, {day, 11}, {day + 2*quarter, 10}, {day*3/2 + 2*quarter, 0}, {100 * day, 0},
	} {
		if got := d.sum(tt.at); got != tt.want {
			t.Errorf("after %v: got %d want %d", tt.at, got, tt.want)
		}
	}
	d.add(100*day, 100)
	if got := d.sum(100 * day); got != 100 {
		t.Errorf("after a long silence: got %d want 100", got)
	}
}

func TestAllObserversAreToldInOrder(t *testing.T) {
	var told []string
	note := func(who string) Observer { return noting{who, &told} }
	all := Observers{note("a"), Nobody{}, note("b")}
	j := periodic("branch", time.Minute, time.Second)
	all.Added(j)
	all.Started(j, "1", time.Now())
	all.Window(j, "1", probe.Window{})
	all.Ended(j, &probe.Result{})
	all.Dropped(j, "2")
	all.Removed(j)
	want := []string{"a added", "b added", "a started", "b started", "a window", "b window", "a ended", "b ended", "a dropped", "b dropped", "a removed", "b removed"}
	if !slices.Equal(told, want) {
		t.Errorf("got %v want %v", told, want)
	}
}

// noting writes down what it is told.
type noting struct {
	who  string
	told *[]string
}

func (n noting) note(what string) { *n.told = append(*n.told, n.who+" "+what) }

func (n noting) Added(Job)                        { n.note("added") }
func (n noting) Started(Job, string, time.Time)   { n.note("started") }
func (n noting) Window(Job, string, probe.Window) { n.note("window") }
func (n noting) Ended(Job, *probe.Result)         { n.note("ended") }
func (n noting) Dropped(Job, string)              { n.note("dropped") }
func (n noting) Removed(Job)                      { n.note("removed") }
