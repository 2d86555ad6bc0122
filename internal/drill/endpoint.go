package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/earshot-voip/earshot/internal/echo"
)

// requestTimeout bounds every request of a drill.
const requestTimeout = 5 * time.Second

// Endpoint is an echo that takes conditions: earshot echo --drill.
type Endpoint struct {
	URL    string // of the echo itself, as calls name it
	Token  string
	Client *http.Client // nil: http.DefaultClient
}

// Set changes the conditions.
func (e Endpoint) Set(ctx context.Context, c echo.Conditions) error {
	u, err := url.Parse(e.URL)
	if err != nil {
		return err
	}
	u.Path, u.RawQuery, u.Fragment = echo.ConditionsPath, "", ""
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if e.Token != "" {
		r.Header.Set("Authorization", "Bearer "+e.Token)
	}
	response, err := httpClient(e.Client).Do(r)
	if err != nil {
		return fmt.Errorf("change the conditions: %w", err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	switch response.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusNotFound:
		return fmt.Errorf("change the conditions: %s takes none; hint: start it with earshot echo --drill", u.Redacted())
	case http.StatusUnauthorized:
		return fmt.Errorf("change the conditions: %s refused the token; hint: check --token-file", u.Redacted())
	}
	return fmt.Errorf("change the conditions: %s answered %s: %s", u.Redacted(), response.Status, strings.TrimSpace(string(text)))
}

func httpClient(c *http.Client) *http.Client {
	if c == nil {
		return http.DefaultClient
	}
	return c
}
