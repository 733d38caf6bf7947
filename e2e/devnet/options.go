package devnet

import (
	"io"
	"time"

	"github.com/raftminer/raftminer/e2e/devnet/pocketchain"
)

// Options describe a devnet. The zero value of a field means its default,
// except the counts of miners and relayers, which are taken as they are when
// OnlyChain is set.
type Options struct {
	StateDir string // configs, logs, data and devnet.json; a temporary directory when empty
	Chain    pocketchain.Options
	Miners   int
	Relayers int
	// Partitions is the cluster's number of ingest partitions.
	Partitions int
	// Binary is the raftminer binary; found or built when empty.
	Binary string
	// BuildTags are the build tags when the binary has to be built.
	BuildTags string
	// Env is added to the environment of a child, by its name (miner-1, relayer-2).
	Env map[string][]string
	// Edit may change the configuration of a child before it is written.
	Edit func(name string, config map[string]any)
	// FlushInterval is the miners' ingest flush interval.
	FlushInterval time.Duration
	// AppendFsync is redis-server's appendfsync policy; "no" turns the log off.
	AppendFsync string
	// OnlyChain starts the chain and nothing else.
	OnlyChain bool
	// Progress receives a line per step of the start; nil for none.
	Progress io.Writer
}

func (o Options) withDefaults() Options {
	return o
}
