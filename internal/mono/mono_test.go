package mono

import (
	"testing"
	"time"
)

func TestNowAndOfAreOneClock(t *testing.T) {
	before := Now()
	at := time.Now()
	after := Now()
	if of := Of(at); of < before || of > after {
		t.Errorf("got %v for a time taken between %v and %v", of, before, after)
	}
	if got := Of(at.Add(time.Second)) - Of(at); got != time.Second {
		t.Errorf("a second later is %v later", got)
	}
	if before < 0 {
		t.Errorf("got %v, before the process started", before)
	}
}
