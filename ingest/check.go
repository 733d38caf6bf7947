package ingest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Warning is a setting of Redis that works, and what it may cost.
type Warning struct {
	Name    string // stable, for logs and metrics
	Setting string // as found
	Cost    string
}

// Names of warnings.
const (
	WarnEviction    = "eviction"
	WarnPersistence = "no_persistence"
	WarnNoMemoryCap = "no_memory_cap"
	WarnNoReplica   = "no_replica_required"
	WarnVersion     = "version"
	WarnUnreadable  = "settings_unreadable"
)

// Check reads the settings of Redis that decide what a crash, a failover or
// memory pressure costs. An error means that Redis could not be asked at all.
func Check(ctx context.Context, rdb redis.UniversalClient) ([]Warning, error) {
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		var mu sync.Mutex // masters are asked side by side
		var warnings []Warning
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			found, err := checkServer(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			warnings = append(warnings, found...)
			return err
		})
		slices.SortFunc(warnings, func(a, b Warning) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Setting, b.Setting))
		})
		return slices.Compact(warnings), err
	}
	return checkServer(ctx, rdb)
}

func checkServer(ctx context.Context, rdb redis.UniversalClient) ([]Warning, error) {
	text, err := rdb.Info(ctx, "server", "memory", "persistence", "replication").Result()
	if err != nil {
		if text, err = rdb.Info(ctx).Result(); err != nil { // before 7.0 INFO takes one section
			return nil, fmt.Errorf("ask redis for its settings: %w", err)
		}
	}
	found := warningsOf(infoFields(text))
	found = append(found, configWarnings(ctx, rdb, infoFields(text))...)
	return found, nil
}

func infoFields(text string) map[string]string {
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields
}

// warningsOf judges what INFO tells, which managed services show as well.
func warningsOf(info map[string]string) (found []Warning) {
	if policy := info["maxmemory_policy"]; policy != "" && policy != "noeviction" {
		found = append(found, Warning{WarnEviction, "maxmemory-policy " + policy,
			"at maxmemory Redis drops streams and tree nodes: relays served and not paid, claims that cannot be proven; use noeviction"})
	}
	if info["maxmemory"] == "0" {
		found = append(found, Warning{WarnNoMemoryCap, "maxmemory 0",
			"Redis grows until the system kills it; with a limit it refuses writes instead, and loses nothing"})
	}
	if version := info["redis_version"]; version != "" && older(version, 6, 2) {
		found = append(found, Warning{WarnVersion, "redis_version " + version, "commands of Redis 6.2 are needed"})
	}
	return found
}

func older(version string, major, minor int) bool {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return false
	}
	a, errA := strconv.Atoi(parts[0])
	b, errB := strconv.Atoi(parts[1])
	return errA == nil && errB == nil && (a < major || a == major && b < minor)
}

// configWarnings judges what only CONFIG tells.
func configWarnings(ctx context.Context, rdb redis.UniversalClient, info map[string]string) (found []Warning) {
	setting := func(name string) (string, bool) {
		values, err := rdb.ConfigGet(ctx, name).Result()
		if err != nil {
			return "", false
		}
		value, ok := values[name]
		return value, ok
	}
	save, readable := setting("save")
	if !readable {
		return []Warning{{WarnUnreadable, "CONFIG GET refused", "persistence and replication settings were not checked"}}
	}
	if info["aof_enabled"] == "0" {
		switch save {
		case "":
			found = append(found, Warning{WarnPersistence, "appendonly no, save none",
				"a restart of Redis empties it: every relay of the open sessions is lost"})
		default:
			found = append(found, Warning{WarnPersistence, "appendonly no, save " + save,
				"a restart of Redis loses everything since its last snapshot; use appendonly yes"})
		}
	}
	replicas, _ := strconv.Atoi(info["connected_slaves"])
	if required, ok := setting("min-replicas-to-write"); ok && replicas > 0 && required == "0" {
		found = append(found, Warning{WarnNoReplica, "min-replicas-to-write 0",
			"a master cut off from its replicas goes on taking relays that the failover throws away"})
	}
	return found
}
