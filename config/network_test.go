package config

import (
	"slices"
	"testing"
)

func TestTrustedProxies(t *testing.T) {
	relayer := Relayer{Proxies: []string{"10.1.2.3/8", "192.0.2.1", "::ffff:192.0.2.2", "2001:db8::/32"}}
	var got []string
	for _, network := range relayer.TrustedProxies() {
		got = append(got, network.String())
	}
	if want := []string{"10.0.0.0/8", "192.0.2.1/32", "192.0.2.2/32", "2001:db8::/32"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
