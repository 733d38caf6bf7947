package ingest

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// The scripts of this package use commands of Redis 6.2 only, and touch keys of
// one hash tag only.
var (
	//go:embed scripts/publish.lua
	publishSource string
	//go:embed scripts/acquire.lua
	acquireSource string
	//go:embed scripts/flush.lua
	flushSource string
	//go:embed scripts/close.lua
	closeSource string
	//go:embed scripts/mark.lua
	markSource string
	//go:embed scripts/seal.lua
	sealSource string
	//go:embed scripts/forget.lua
	forgetSource string
	//go:embed scripts/trim.lua
	trimSource string

	publishScript = redis.NewScript(publishSource)
	acquireScript = redis.NewScript(acquireSource)
	flushScript   = redis.NewScript(flushSource)
	closeScript   = redis.NewScript(closeSource)
	markScript    = redis.NewScript(markSource)
	sealScript    = redis.NewScript(sealSource)
	forgetScript  = redis.NewScript(forgetSource)
	trimScript    = redis.NewScript(trimSource)
)

// refusal gives Redis's refusals their type. Whatever is not among them leaves
// the outcome of the call unknown.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	for prefix, typed := range map[string]error{
		"FENCED": ErrFenced, "STALE": errStale, "PARTITIONS": ErrPartitions, "OOM": ErrStoreFull, "READONLY": ErrReadOnly,
	} {
		if strings.HasPrefix(text, prefix) {
			return fmt.Errorf("%w: %s", typed, text)
		}
	}
	return err
}
