package gateway

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestChunks(t *testing.T) {
	long := strings.Repeat("x|", 10_000)
	for name, want := range map[string][]string{
		"none":             nil,
		"one":              {"a"},
		"several":          {"a", "b|", "||POKT_||c", long},
		"an unfinished":    {"a", "rest"},
		"an empty between": {"a", "", "b"},
	} {
		text := strings.Join(want, streamDelimiter)
		if len(want) > 0 && name != "an unfinished" {
			text += streamDelimiter
		}
		r := bufio.NewReader(strings.NewReader(text))
		var got []string
		for {
			chunk, err := nextChunk(r)
			if err == nil || len(chunk) > 0 {
				got = append(got, string(chunk))
			}
			if errors.Is(err, io.EOF) {
				break
			}
		}
		if strings.Join(got, " ") != strings.Join(want, " ") || len(got) != len(want) {
			t.Errorf("%s: got %d chunks %.60q, want %d", name, len(got), got, len(want))
		}
	}
}
