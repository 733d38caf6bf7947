package meter

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/chain"
	"github.com/raftminer/raftminer/ingest"
)

// Info is what Redis knows of one session's budget. All but the key are relays.
type Info struct {
	Key         chain.SessionKey
	Application string
	Budget      int64
	Relayers    int   // that took part
	Held        int64 // by them
	Used        int64 // of that, when they last said so
}

// Inspect reads every meter of the namespace, by key.
func Inspect(ctx context.Context, rdb redis.UniversalClient, keys ingest.Keys) ([]Info, error) {
	all, err := ingest.AllKeys(ctx, rdb, keys)
	if err != nil {
		return nil, err
	}
	var infos []Info
	for _, k := range all {
		if k.Kind != ingest.KindMeter {
			continue
		}
		fields, err := rdb.HGetAll(ctx, k.Key).Result()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", k.Key, err)
		}
		if len(fields) > 0 { // not removed meanwhile
			infos = append(infos, infoOf(ingest.MeterSession(k.Key), fields))
		}
	}
	return infos, nil
}

func infoOf(key chain.SessionKey, fields map[string]string) Info {
	info := Info{Key: key}
	for field, value := range fields {
		switch field {
		case "application":
			info.Application = value
		case "budget":
			info.Budget, _ = strconv.ParseInt(value, 10, 64) // scripts write numbers only
		default:
			_, counts, _ := strings.Cut(value, "/")
			held, used, _ := strings.Cut(counts, "/")
			h, _ := strconv.ParseInt(held, 10, 64)
			u, _ := strconv.ParseInt(used, 10, 64)
			info.Relayers++
			info.Held, info.Used = info.Held+h, info.Used+u
		}
	}
	return info
}
