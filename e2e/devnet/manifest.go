package devnet

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// ManifestName is the file in the state directory that describes a devnet.
const ManifestName = "devnet.json"

// Manifest is all that a foreign client needs to use a running devnet.
type Manifest struct {
	ChainID      string            `json:"chain_id"`
	RPCURL       string            `json:"rpc_url"`
	GRPCURL      string            `json:"grpc_url"`
	RedisURL     string            `json:"redis_url,omitempty"`
	RedisKind    string            `json:"redis_kind,omitempty"` // redis-server or miniredis
	Balancer     map[string]string `json:"balancer,omitempty"`   // URL by transport
	Relayers     []ManifestProcess `json:"relayers,omitempty"`
	Miners       []ManifestProcess `json:"miners,omitempty"`
	Services     []ManifestService `json:"services"`
	Applications []ManifestAccount `json:"applications"`
	Gateways     []ManifestAccount `json:"gateways"`
	Suppliers    []ManifestAccount `json:"suppliers"`
	Authority    ManifestAccount   `json:"authority"`
}

// ManifestService is a service and where its backends listen.
type ManifestService struct {
	ID                   string            `json:"id"`
	ComputeUnitsPerRelay uint64            `json:"compute_units_per_relay"`
	RPCTypes             []string          `json:"rpc_types"`
	Backends             map[string]string `json:"backends,omitempty"` // URL by RPC type
}

// ManifestAccount is an account and its key; a devnet has nothing to hide.
type ManifestAccount struct {
	Name       string `json:"name"`
	Address    string `json:"address"`
	PrivateKey string `json:"private_key_hex"`
	Service    string `json:"service,omitempty"`
	Gateway    string `json:"gateway,omitempty"`
}

// ManifestProcess is a miner or relayer.
type ManifestProcess struct {
	Name       string            `json:"name"`
	PID        int               `json:"pid"`
	URLs       map[string]string `json:"urls,omitempty"` // by transport
	MetricsURL string            `json:"metrics_url"`
	AdminAddr  string            `json:"admin_addr,omitempty"` // as raftctl --addr takes it
	RaftAddr   string            `json:"raft_addr,omitempty"`
	Config     string            `json:"config"`
	Log        string            `json:"log"`
}

// Manifest describes the devnet as devnet.json does.
func (d *Devnet) Manifest() Manifest {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.manifest
}

// writeManifest brings devnet.json up to date; process ids change with restarts.
func (d *Devnet) writeManifest(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.manifest = d.describe()
	return d.manifest.Write(d.dir)
}

func (d *Devnet) describe() Manifest {
	m := Manifest{ChainID: d.chain.ID(), RPCURL: d.chain.RPCURL(), GRPCURL: d.chain.GRPCURL()}
	m.describeActors(d.chain.Actors())
	for _, s := range d.chain.Services() {
		service := ManifestService{ID: s.ID, ComputeUnitsPerRelay: s.ComputeUnitsPerRelay}
		for _, rpcType := range s.RPCTypes {
			service.RPCTypes = append(service.RPCTypes, rpcType.String())
		}
		if d.backends != nil {
			_, service.Backends = d.serviceBackends(s)
		}
		m.Services = append(m.Services, service)
	}
	if d.redis != nil {
		m.RedisURL, m.RedisKind = d.redis.URL(), d.redis.Kind()
	}
	if d.balancer != nil {
		m.Balancer = transports(d.balancer.Addr())
	}
	for _, n := range d.relayers {
		relayer := d.describeNode(n)
		relayer.URLs = transports(n.addr)
		m.Relayers = append(m.Relayers, relayer)
	}
	for _, n := range d.minerNodes() {
		miner := d.describeNode(n)
		miner.AdminAddr = "unix://" + filepath.Join(d.dataDir(n), "admin.sock")
		miner.RaftAddr = n.addr
		m.Miners = append(m.Miners, miner)
	}
	return m
}

func (d *Devnet) describeNode(n *node) ManifestProcess {
	return ManifestProcess{
		Name: n.name, PID: n.child.PID(), MetricsURL: "http://" + n.metrics + "/metrics",
		Config: n.config, Log: d.logPath(n.name),
	}
}

// transports are the URLs of a relayer's address: every HTTP-borne RPC type is
// posted to the same place and told apart by its Rpc-Type header.
func transports(addr string) map[string]string {
	return map[string]string{"jsonrpc": "http://" + addr, "rest": "http://" + addr, "cometbft": "http://" + addr}
}

func (m *Manifest) describeActors(actors pocketchain.Actors) {
	account := func(a pocketchain.Account) ManifestAccount {
		return ManifestAccount{Name: a.Name, Address: a.Address, PrivateKey: a.Hex()}
	}
	m.Authority = account(actors.Authority)
	for _, a := range actors.Applications {
		app := account(a.Account)
		app.Service, app.Gateway = a.Service, a.Gateway
		m.Applications = append(m.Applications, app)
	}
	for _, a := range actors.Gateways {
		m.Gateways = append(m.Gateways, account(a))
	}
	for _, a := range actors.Suppliers {
		m.Suppliers = append(m.Suppliers, account(a))
	}
}

// Write puts the manifest into dir. Readers never see half of it.
func (m Manifest) Write(dir string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	path := filepath.Join(dir, ManifestName)
	if err := os.WriteFile(path+".tmp", append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}
