package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Alert is one that fires.
type Alert struct{ Labels map[string]string }

// Name is what the rule calls it.
func (a Alert) Name() string { return a.Labels["alertname"] }

// Alerts asks for those that fire now.
type Alerts func(context.Context) ([]Alert, error)

// maxAlerts bounds the body of an answer, in bytes.
const maxAlerts = 16 << 20

// Prometheus asks a Prometheus server, by its HTTP API's /api/v1/alerts.
func Prometheus(base string, client *http.Client) Alerts {
	return func(ctx context.Context) ([]Alert, error) {
		var answer struct {
			Data struct {
				Alerts []struct {
					Labels map[string]string `json:"labels"`
					State  string            `json:"state"`
				} `json:"alerts"`
			} `json:"data"`
		}
		if err := fetch(ctx, client, strings.TrimRight(base, "/")+"/api/v1/alerts", &answer); err != nil {
			return nil, err
		}
		var list []Alert
		for _, a := range answer.Data.Alerts {
			if a.State == "firing" {
				list = append(list, Alert{a.Labels})
			}
		}
		return list, nil
	}
}

// Alertmanager asks an Alertmanager, by its API's /api/v2/alerts. Those that are
// silenced or inhibited do not count: nobody is told of them.
func Alertmanager(base string, client *http.Client) Alerts {
	return func(ctx context.Context) ([]Alert, error) {
		var answer []struct {
			Labels map[string]string `json:"labels"`
		}
		if err := fetch(ctx, client, strings.TrimRight(base, "/")+"/api/v2/alerts?active=true&silenced=false&inhibited=false", &answer); err != nil {
			return nil, err
		}
		list := make([]Alert, len(answer))
		for i, a := range answer {
			list[i] = Alert{a.Labels}
		}
		return list, nil
	}
}

func fetch(ctx context.Context, client *http.Client, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := httpClient(client).Do(r)
	if err != nil {
		return fmt.Errorf("ask for alerts: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("ask for alerts: %s answered %s", r.URL.Redacted(), response.Status)
	}
	if err := json.NewDecoder(http.MaxBytesReader(nil, response.Body, maxAlerts)).Decode(into); err != nil {
		return fmt.Errorf("ask for alerts: %s gave no list of alerts: %w", r.URL.Redacted(), err)
	}
	return nil
}
