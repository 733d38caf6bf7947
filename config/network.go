package config

import "net/netip"

// TrustedProxies are the balancers that may say for whom they connect. The
// configuration must be valid.
func (r Relayer) TrustedProxies() (networks []netip.Prefix) {
	for _, text := range r.Proxies {
		network, _ := parseNetwork(text)
		networks = append(networks, network)
	}
	return networks
}

// parseNetwork reads a network, or an address as the network of it alone.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().Prefix(addr.Unmap().BitLen())
	}
	network, err := netip.ParsePrefix(text)
	return network.Masked(), err
}
