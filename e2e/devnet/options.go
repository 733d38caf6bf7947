package devnet

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// Options describe a devnet. The zero value of a field means its default.
type Options struct {
	StateDir string // configs, logs, data and devnet.json; a temporary directory when empty
	Chain    pocketchain.Options
	Miners   int // 3
	Relayers int // 2
	// Keys is how many suppliers' keys the nodes have; all when 0.
	Keys int
	// Partitions is the cluster's number of ingest partitions.
	Partitions int
	// Binary is the raftminer binary; one next to this executable, or else a
	// freshly built one, when empty.
	Binary string
	// BuildTags are for building the binary, and force a build.
	BuildTags string
	// Env is added to the environment of a child, by its name (miner-1, relayer-2).
	Env map[string][]string
	// Command is the program of a child, by its name, with what goes before the
	// usual arguments; Binary when missing.
	Command map[string][]string
	// Edit may change the configuration of a child before it is written. Maps
	// are map[string]any all the way down.
	Edit func(name string, config map[string]any)
	// Place may put a child elsewhere than on loopback; nil for none.
	Place func(name string) Placement
	// FlushInterval is the miners' ingest flush interval.
	FlushInterval time.Duration
	// AppendFsync is redis-server's appendfsync policy; "no" turns its log off.
	AppendFsync string
	// RedisUsers are users of redis-server besides the default one, each with its
	// rules as in an ACL file.
	RedisUsers []string
	// BalancerAddr is host:port of the balancer; port 0 picks a free one.
	BalancerAddr string
	// OnlyChain starts the chain and nothing else.
	OnlyChain bool
	// Progress receives a line per step of the start; nil for none.
	Progress io.Writer
}

// Placement is where a child runs. Its zero value is loopback.
type Placement struct {
	Host  string   // that it listens on
	Under []string // a command that runs the one after it, such as ip netns exec NAME
}

func (o Options) withDefaults() Options {
	setDefault(&o.Miners, 3)
	setDefault(&o.Relayers, 2)
	setDefault(&o.Partitions, 16)
	setDefault(&o.FlushInterval, 200*time.Millisecond)
	setDefault(&o.AppendFsync, "everysec")
	setDefault(&o.BalancerAddr, "127.0.0.1:0")
	if o.Place == nil {
		o.Place = func(string) Placement { return Placement{} }
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) validate() error {
	var errs []error
	if o.Miners < 1 || o.Relayers < 1 {
		errs = append(errs, errors.New("a devnet needs at least one miner and one relayer"))
	}
	switch o.AppendFsync {
	case "no", "everysec", "always":
	default:
		errs = append(errs, fmt.Errorf("appendfsync %q is not no, everysec or always", o.AppendFsync))
	}
	return errors.Join(errs...)
}
