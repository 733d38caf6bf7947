package config

import "fmt"

// Listener is a further port for relays.
type Listener struct {
	ListenAddr string    `yaml:"listen_addr" required:"yes" local:"yes" doc:"host:port for relays, as relayer.listen_addr is"`
	Protocol   string    `yaml:"protocol" doc:"http or grpc, if it is for one alone; gRPC with tls needs grpc; WebSockets and gRPC-Web are http; default: both"`
	TLS        ServerTLS `yaml:"tls"`
}

// ServerTLS names the PEM files of a port. Both or none, which takes connections in the
// clear.
type ServerTLS struct {
	Cert string `yaml:"cert" local:"yes" doc:"certificate of the port, with those that it was signed with; read again when it changes; default: no TLS; relative to this file"`
	Key  string `yaml:"key" local:"yes" doc:"its private key; relative to this file"`
}

// Enabled says that the port uses TLS.
func (t ServerTLS) Enabled() bool { return t != ServerTLS{} }

// Port is a listener by the setting that it is in.
type Port struct {
	Setting string
	Listener
}

// Ports are all that a relayer listens on, listen_addr first.
func (r Relayer) Ports() []Port {
	ports := []Port{{"relayer", Listener{ListenAddr: r.ListenAddr, TLS: r.TLS}}}
	for i, l := range r.Listeners {
		ports = append(ports, Port{fmt.Sprintf("relayer.listeners[%d]", i), l})
	}
	return ports
}
