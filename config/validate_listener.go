package config

import "net"

// ports checks where a relayer listens.
func (v *validator) ports() {
	taken := make(map[string]string) // address to its setting
	if v.cfg.Metrics.Enabled {
		taken[v.cfg.Metrics.Addr] = "metrics.addr"
	}
	for i, p := range v.cfg.Relayer.Ports() {
		at := p.Setting + ".listen_addr"
		if i > 0 {
			v.required(p.Setting, p.Listener)
		}
		if v.listenAddress(at, p.ListenAddr) {
			v.onlyOnce(at, p.ListenAddr, taken)
		}
		if p.Protocol != "" {
			v.oneOf(p.Setting+".protocol", p.Protocol, "http", "grpc")
		}
		v.serverTLS(p.Setting+".tls", p.TLS)
	}
}

// onlyOnce: port 0 is another one each time.
func (v *validator) onlyOnce(path, addr string, taken map[string]string) {
	if _, port, _ := net.SplitHostPort(addr); port == "0" {
		return
	}
	if other, ok := taken[addr]; ok {
		v.bad(path, "%q is %s already", addr, other)
	}
	taken[addr] = path
}

func (v *validator) serverTLS(path string, t ServerTLS) {
	switch {
	case t.Enabled() && t.Cert == "":
		v.bad(path+".cert", "is missing: cert and key go together")
	case t.Enabled() && t.Key == "":
		v.bad(path+".key", "is missing: cert and key go together")
	}
}
