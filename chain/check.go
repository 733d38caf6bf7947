package chain

import (
	"context"
	"fmt"
	"sync"
	"time"

	sharedtypes "github.com/pokt-network/poktroll/x/shared/types"
)

// NodeCheck is what a full node answered when it was asked for everything.
type NodeCheck struct {
	Setting string // as chain.nodes[0]
	Host    string
	ChainID string
	Block   Block
	Took    time.Duration
	Err     error // names the setting that is wrong
}

func (n *nodes) check(ctx context.Context) []NodeCheck {
	checks := make([]NodeCheck, len(n.list))
	var all sync.WaitGroup
	for i, each := range n.list {
		all.Go(func() { checks[i] = each.check(ctx, n.chainID) })
	}
	all.Wait()
	return checks
}

func (n *node) check(ctx context.Context, chainID string) NodeCheck {
	start := time.Now()
	c := NodeCheck{Setting: n.setting, Host: n.host}
	s, err := n.status(ctx)
	c.ChainID, c.Block = s.chainID, s.block
	switch {
	case err != nil:
		c.Err = n.blame("rpc", err)
	case s.chainID != chainID:
		c.Err = fmt.Errorf("%s.rpc: %w: the full node follows %q, chain.id says %q", n.setting, ErrWrongChain, s.chainID, chainID)
	case n.use.serves(UseRead):
		reply := new(sharedtypes.QueryParamsResponse)
		if err := n.grpc.Invoke(ctx, "/pocket.shared.Query/Params", new(sharedtypes.QueryParamsRequest), reply); err != nil {
			c.Err = n.blame("grpc", err)
		}
	}
	c.Took = time.Since(start)
	return c
}

// blame names the setting behind an error.
func (n *node) blame(side string, err error) error {
	if why := misconfigured(err); why != "" {
		return fmt.Errorf("%s.%s: %s: %w", n.setting, side, why, err)
	}
	return fmt.Errorf("%s.%s: %w", n.setting, side, err)
}
