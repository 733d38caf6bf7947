package config

import "fmt"

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
	}
}
