package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/earshot-voip/earshot/bench/internal/rig"
)

// failure is a call that failed, as the agent's history has it.
type failure struct {
	ID, Name, Layer, Code string
	Started               time.Time
	Report                string // what its report says of it
}

// failures asks the agent for the calls that failed, the newest twenty.
func (s *soak) failures(ctx context.Context) ([]failure, error) {
	var list struct{ Calls []failure }
	if err := s.ask(ctx, "/api/v1/calls?verdict=failed&limit=20", &list); err != nil {
		return nil, err
	}
	for i := range list.Calls {
		var report struct {
			Summary string
			Failure struct{ Error string }
		}
		if err := s.ask(ctx, "/api/v1/calls/"+list.Calls[i].ID, &report); err != nil {
			return nil, err
		}
		list.Calls[i].Report = report.Summary + " " + report.Failure.Error
	}
	return list.Calls, nil
}

// ask reads what the agent answers as JSON.
func (s *soak) ask(ctx context.Context, path string, into any) error {
	text, err := rig.Get(ctx, s.address+path, patience)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// described is a failure in a line.
func (f failure) described() string {
	return fmt.Sprintf("%s at %s, layer %s, code %s: %s", f.Name, f.Started.UTC().Format(time.TimeOnly), f.Layer, f.Code, f.Report)
}
