package relayproxy

import (
	"net"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// connections bounds those of clients, also of clients that have not said anything
// yet. Who is one too many is hung up on: no protocol is known to say more in. It is
// safe for concurrent use.
type connections struct {
	most, mostOfOne int // 0: any number of one address
	trusted         trusted
	refused         *prometheus.CounterVec
	greeted         *prometheus.CounterVec // by port and greeting

	mu   sync.Mutex
	open int
	of   map[netip.Prefix]int
}

func newConnections(l Limits, proxies []netip.Prefix, reg prometheus.Registerer) (*connections, error) {
	c := &connections{
		most: l.MaxConnections, mostOfOne: l.MaxConnectionsPerAddress, trusted: proxies, of: make(map[netip.Prefix]int),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "ha_relayer", Name: "connections_refused_total", Help: "Connections closed at once, by which limit: all, address; and system: attempts to accept that failed.",
		}, []string{"limit"}),
		greeted: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "ha_relayer", Name: "connections_total", Help: "Connections taken, by port and by what they spoke: http, grpc, silent, no_tls, other.",
		}, []string{"listen_addr", "spoke"}),
	}
	if c.most <= 0 {
		c.most = DefaultMaxConnections
	}
	for _, counter := range []prometheus.Collector{c.refused, c.greeted} {
		if err := reg.Register(counter); err != nil {
			return nil, err
		}
	}
	return c, reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "ha_relayer", Name: "active_connections", Help: "Connections of clients, over all transports.",
	}, func() float64 { return float64(c.count()) }))
}

// greetedOn are the counters of a port.
func (c *connections) greetedOn(port string) map[greeting]prometheus.Counter {
	counters := make(map[greeting]prometheus.Counter)
	for _, g := range []greeting{greetHTTP, greetGRPC, greetSilent, greetNoTLS, greetOther} {
		counters[g] = c.greeted.WithLabelValues(port, string(g))
	}
	return counters
}

// visit is a connection that was counted in.
type visit struct {
	bounds *connections
	from   netip.Prefix
	placed bool // counted under from
	left   bool
}

// enter counts a connection in, unless there are too many.
func (c *connections) enter() (v *visit, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= c.most {
		c.refused.WithLabelValues("all").Inc()
		return nil, false
	}
	c.open++
	return &visit{bounds: c}, true
}

// comesFrom counts the connection under its address, unless there are too many of it.
func (v *visit) comesFrom(addr net.Addr) bool {
	c := v.bounds
	c.mu.Lock()
	defer c.mu.Unlock()
	v.from = neighbourhood(addr)
	if c.mostOfOne > 0 && c.of[v.from] >= c.mostOfOne {
		c.refused.WithLabelValues("address").Inc()
		return false
	}
	c.of[v.from]++
	v.placed = true
	return true
}

// leave counts the connection out. It may be called twice.
func (v *visit) leave() {
	c := v.bounds
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.left {
		return
	}
	v.left = true
	c.open--
	if !v.placed {
		return
	}
	if c.of[v.from]--; c.of[v.from] == 0 {
		delete(c.of, v.from)
	}
}

func (c *connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// neighbourhood is what one client can call from: an IPv4 address, or the half of an
// IPv6 address that a host does not choose itself.
func neighbourhood(addr net.Addr) netip.Prefix {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	prefix, _ := ip.Prefix(bits) // the zero one for no address
	return prefix
}
