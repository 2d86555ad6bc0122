package rig

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// mostPage bounds what Get reads, bytes: /metrics of hundreds of targets are 4 MB.
const mostPage = 64 << 20

// Get reads what a URL answers within a time. An answer other than 200 is an error.
func Get(ctx context.Context, url string, within time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", url, response.Status)
	}
	return io.ReadAll(io.LimitReader(response.Body, mostPage))
}
