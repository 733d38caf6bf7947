package ingest

import (
	"context"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

func TestCheckNamesDangerousSettings(t *testing.T) {
	tests := map[string]struct {
		args []string
		want []string
	}{
		"safe":      {[]string{"--appendonly", "yes", "--maxmemory", "1gb"}, nil},
		"evicting":  {[]string{"--appendonly", "yes", "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru"}, []string{WarnEviction}},
		"volatile":  {[]string{"--maxmemory", "1gb"}, []string{WarnPersistence}},
		"snapshots": {[]string{"--maxmemory", "1gb", "--save", "60 1000"}, []string{WarnPersistence}},
		"boundless": {[]string{"--appendonly", "yes"}, []string{WarnNoMemoryCap}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found, err := Check(context.Background(), startRedis(t, test.args...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range found {
				got = append(got, w.Name)
				if w.Cost == "" || w.Setting == "" {
					t.Errorf("warning %s does not say what was found and what it costs", w.Name)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestCheckOfAbsentRedis(t *testing.T) {
	rdb := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	defer rdb.Close()
	if _, err := Check(context.Background(), rdb); err == nil {
		t.Error("an absent Redis passed the check")
	}
}

func TestOldVersions(t *testing.T) {
	for version, want := range map[string]bool{"5.0.14": true, "6.0.16": true, "6.2.0": false, "7.0.15": false, "8.0.1": false, "?": false} {
		if got := older(version, 6, 2); got != want {
			t.Errorf("%s older than 6.2: got %v, want %v", version, got, want)
		}
	}
}
