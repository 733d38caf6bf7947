package devnet

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/pokt-network/poktroll/x/shared/types"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// keysFile is where all nodes have their keys from, in the state directory.
const keysFile = "keys.yaml"

// drainGrace is how long a relayer that leaves goes on serving; the balancer looks
// several times meanwhile.
const drainGrace = 400 * time.Millisecond

// writeConfigs writes the supplier keys, and a configuration file per node.
func (d *Devnet) writeConfigs() error {
	suppliers := d.chain.Actors().Suppliers
	if d.opts.Keys > 0 {
		suppliers = suppliers[:d.opts.Keys]
	}
	if err := d.WriteKeys(suppliers...); err != nil {
		return err
	}
	for _, n := range d.nodes() {
		if err := writeYAML(n.config, d.nodeConfig(n)); err != nil {
			return err
		}
	}
	return nil
}

// WriteKeys replaces the keys file, at once, by one with the keys of these suppliers.
func (d *Devnet) WriteKeys(suppliers ...pocketchain.Account) error {
	keys := []string{}
	for _, supplier := range suppliers {
		keys = append(keys, supplier.Hex())
	}
	path := filepath.Join(d.dir, keysFile)
	if err := writeYAML(path+".new", map[string]any{"keys": keys}); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace the keys file: %w", err)
	}
	return nil
}

// nodeConfig is a node's configuration, as edited.
func (d *Devnet) nodeConfig(n *node) map[string]any {
	file := d.commonConfig(n)
	if n.role == roleMiner {
		file["miner"] = d.minerConfig(n)
	} else {
		file["relayer"] = map[string]any{"listen_addr": n.addr, "drain": map[string]any{"grace": drainGrace.String()}}
		file["services"] = d.serviceConfigs()
	}
	if d.opts.Edit != nil {
		d.opts.Edit(n.name, file)
	}
	return file
}

func writeYAML(path string, value any) error {
	raw, err := yaml.Marshal(value)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func (d *Devnet) commonConfig(n *node) map[string]any {
	return map[string]any{
		"chain": map[string]any{
			"id":    d.chain.ID(),
			"nodes": []any{map[string]any{"rpc": d.chain.RPCURL(), "grpc": d.chain.GRPCURL()}},
		},
		"redis": map[string]any{
			"url":       d.redis.URL(),
			"namespace": map[string]any{"base_prefix": "rm"},
		},
		"keys":    map[string]any{"keys_file": keysFile},
		"cluster": map[string]any{"id": "devnet", "partitions": d.opts.Partitions},
		"metrics": map[string]any{"enabled": true, "addr": n.metrics},
		// Sessions here are seconds long: what they pay is no reason to leave them.
		"tx":      map[string]any{"skip_unprofitable": false},
		"logging": map[string]any{"level": "info", "format": "json"},
	}
}

func (d *Devnet) minerConfig(n *node) map[string]any {
	var peers []any
	for _, peer := range d.miners {
		peers = append(peers, map[string]any{"id": peer.name, "addr": peer.addr})
	}
	return map[string]any{
		"node_id":  n.name,
		"data_dir": d.dataDir(n),
		"raft": map[string]any{
			"bind":             n.addr,
			"bootstrap_expect": len(d.miners),
			"peers":            peers,
		},
		"ingest": map[string]any{"flush_interval": d.opts.FlushInterval.String()},
	}
}

func (d *Devnet) dataDir(n *node) string { return filepath.Join(d.data, n.name) }

// serviceConfigs gives every service a demo backend for each kind of RPC that
// it has on chain and that the binary knows.
func (d *Devnet) serviceConfigs() map[string]any {
	services := make(map[string]any)
	for _, service := range d.chain.Services() {
		kinds, urls := d.serviceBackends(service)
		if len(kinds) == 0 {
			continue
		}
		configs := make(map[string]any)
		for kind, url := range urls {
			configs[kind] = map[string]any{"url": url}
		}
		services[service.ID] = map[string]any{"default_backend": kinds[0], "backends": configs}
	}
	return services
}

func (d *Devnet) serviceBackends(service pocketchain.Service) (kinds []string, urls map[string]string) {
	urls = make(map[string]string)
	for _, rpcType := range service.RPCTypes {
		kind := backendKind(rpcType)
		if kind == "" {
			continue
		}
		kinds = append(kinds, kind)
		if service.ID == pocketchain.StreamService && kind == "rest" {
			urls[kind] = d.backends.URL("stream")
		} else {
			urls[kind] = d.backends.URL(kind)
		}
	}
	return kinds, urls
}

// backendKind is the name that a configuration has for an RPC type.
func backendKind(t types.RPCType) string {
	switch t {
	case types.RPCType_JSON_RPC:
		return "jsonrpc"
	case types.RPCType_REST:
		return "rest"
	case types.RPCType_COMET_BFT:
		return "cometbft"
	case types.RPCType_WEBSOCKET:
		return "websocket"
	case types.RPCType_GRPC:
		return "grpc"
	}
	return ""
}
