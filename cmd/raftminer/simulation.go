package main

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/raftminer/raftminer/config"
	"github.com/raftminer/raftminer/ingest"
	"github.com/raftminer/raftminer/relayproxy"
)

// simulation is what the configuration has validated and enabled.
func simulation(s config.Simulation) relayproxy.Simulation {
	out := relayproxy.Simulation{Window: s.Window, MaxConcurrent: s.MaxConcurrent}
	for _, id := range s.Identities {
		if !s.Enabled || !id.Enabled {
			continue
		}
		known := relayproxy.SimulatedIdentity{KeyID: id.KeyID, Application: decodeHex(id.App), Services: id.Services, PerSecond: id.MaxRPS}
		for _, key := range id.Gateways {
			known.Gateways = append(known.Gateways, decodeHex(key))
		}
		known.NotAfter, _ = time.Parse(time.RFC3339, id.NotAfter) // the zero time for none
		out.Identities = append(out.Identities, known)
	}
	return out
}

func decodeHex(text string) []byte {
	bz, _ := hex.DecodeString(text)
	return bz
}

// seenInRedis remembers simulated relays for all relayers.
type seenInRedis struct {
	rdb   redis.UniversalClient
	names ingest.Keys
}

// First implements relayproxy.Seen.
func (s seenInRedis) First(ctx context.Context, key [32]byte, keep time.Duration) (bool, error) {
	return s.rdb.SetNX(ctx, s.names.Namespace()+ingest.KindSeen+":"+hex.EncodeToString(key[:]), 1, keep).Result()
}
