package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// sinceUnix reads --since: a time before now, a day in UTC, or an instant. "" is ever.
func sinceUnix(text string, now time.Time) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if days, is := strings.CutSuffix(text, "d"); is {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.AddDate(0, 0, -int(n)).Unix(), nil
		}
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago).Unix(), nil
	}
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Unix(), nil
		}
	}
	return 0, usageError{fmt.Errorf("--since %q: want 36h, 30d, 2006-01-02 or 2006-01-02T15:04:05Z", text)}
}
