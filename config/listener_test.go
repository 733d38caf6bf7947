package config

import (
	"slices"
	"testing"
)

func TestListeners(t *testing.T) {
	const line = `relayer: {listen_addr: "0.0.0.0:8545"}`
	for name, tc := range map[string]struct {
		relayer string
		want    []string
	}{
		"TLS on the first":  {`{listen_addr: ":8545", tls: {cert: c, key: k}}`, nil},
		"one for gRPC":      {`{listen_addr: ":8545", listeners: [{listen_addr: ":8546", protocol: grpc, tls: {cert: c, key: k}}]}`, nil},
		"any free ports":    {`{listen_addr: ":0", listeners: [{listen_addr: ":0"}, {listen_addr: ":0"}]}`, nil},
		"half a pair":       {`{listen_addr: ":8545", tls: {cert: c}}`, []string{"f:19: relayer.tls.key: is missing: cert and key go together"}},
		"the other half":    {`{listen_addr: ":8545", tls: {key: c}}`, []string{"f:19: relayer.tls.cert: is missing: cert and key go together"}},
		"half of a further": {`{listen_addr: ":8545", listeners: [{listen_addr: ":1", tls: {cert: c}}]}`, []string{"f:19: relayer.listeners[0].tls.key: is missing: cert and key go together"}},
		"no address":        {`{listen_addr: ":8545", listeners: [{protocol: grpc}]}`, []string{"f:19: relayer.listeners[0].listen_addr: is required"}},
		"no port":           {`{listen_addr: ":8545", listeners: [{listen_addr: there}]}`, []string{`f:19: relayer.listeners[0].listen_addr: "there" is not host:port`}},
		"twice":             {`{listen_addr: ":8545", listeners: [{listen_addr: ":8545"}]}`, []string{`f:19: relayer.listeners[0].listen_addr: ":8545" is relayer.listen_addr already`}},
		"that of metrics":   {`{listen_addr: "127.0.0.1:9090"}`, []string{`f:19: relayer.listen_addr: "127.0.0.1:9090" is metrics.addr already`}},
		"unknown protocol":  {`{listen_addr: ":8545", listeners: [{listen_addr: ":1", protocol: grcp}]}`, []string{`f:19: relayer.listeners[0].protocol: "grcp" is not one of http, grpc, did you mean "grpc"?`}},
	} {
		cfg, got := at(t, line, "relayer: "+tc.relayer)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
		if tc.want == nil && len(cfg.Relayer.Ports()) != 1+len(cfg.Relayer.Listeners) {
			t.Errorf("%s: listens on %v", name, cfg.Relayer.Ports())
		}
	}
}

// The files of every port are relative to the configuration.
func TestListenerFiles(t *testing.T) {
	c := Config{Relayer: Relayer{TLS: ServerTLS{Cert: "c", Key: "/run/k"}, Listeners: []Listener{{TLS: ServerTLS{Cert: "d", Key: "e"}}}}}
	c.resolve("/etc/rm")
	var got []string
	for _, p := range c.Relayer.Ports() {
		got = append(got, p.Setting, p.TLS.Cert, p.TLS.Key)
	}
	if want := []string{"relayer", "/etc/rm/c", "/run/k", "relayer.listeners[0]", "/etc/rm/d", "/etc/rm/e"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
