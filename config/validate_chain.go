package config

import (
	"fmt"
	"slices"
)

func (v *validator) chain() {
	v.required("chain", struct {
		ID string `yaml:"id" required:"yes"`
	}{v.cfg.Chain.ID})
	if len(v.cfg.Chain.Nodes) == 0 {
		v.bad("chain.nodes", "needs at least one full node")
	}
	seen := make(map[string]bool)
	for i, n := range v.cfg.Chain.Nodes {
		at := fmt.Sprintf("chain.nodes[%d]", i)
		v.required(at, n)
		v.url(at+".rpc", n.RPC, "http", "https")
		v.url(at+".grpc", n.GRPC, "http", "https")
		if n.RPC != "" && seen[n.RPC] {
			v.bad(at+".rpc", "is listed twice")
		}
		seen[n.RPC] = true
		if n.Use != "" {
			v.oneOf(at+".use", n.Use, "all", "read", "broadcast")
		}
	}
	for _, use := range []string{"read", "broadcast"} {
		if !slices.ContainsFunc(v.cfg.Chain.Nodes, func(n Node) bool { return n.Use == "" || n.Use == "all" || n.Use == use }) && len(seen) > 0 {
			v.bad("chain.nodes", "has no node to %s (use)", map[string]string{"read": "read from", "broadcast": "send transactions to"}[use])
		}
	}
	if v.cfg.Chain.Grace < 0 {
		v.bad("chain.grace", "must not be negative")
	}
}
