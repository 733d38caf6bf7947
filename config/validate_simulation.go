package config

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

// publicKeySize is that of a compressed secp256k1 key.
const publicKeySize = 33

func (v *validator) simulation(at string, s Simulation) {
	if s.Window <= 0 {
		v.bad(at+".freshness_window", "must be positive")
	}
	if s.MaxConcurrent < 1 {
		v.bad(at+".max_concurrent", "must be positive")
	}
	if s.Enabled && !slices.ContainsFunc(s.Identities, func(i SimulatedIdentity) bool { return i.Enabled }) {
		v.bad(at+".identities", "none is enabled, so nothing can be simulated")
	}
	taken := make(map[string]bool)
	for i, id := range s.Identities {
		here := fmt.Sprintf("%s.identities[%d]", at, i)
		v.required(here, id)
		if taken[id.KeyID] {
			v.bad(here+".key_id", "%q is there twice", id.KeyID)
		}
		taken[id.KeyID] = true
		v.publicKey(here+".app_pubkey_hex", id.App)
		for j, key := range id.Gateways {
			v.publicKey(fmt.Sprintf("%s.gateway_pubkeys_hex[%d]", here, j), key)
		}
		if id.MaxRPS < 0 {
			v.bad(here+".max_rps", "must not be negative")
		}
		if _, err := time.Parse(time.RFC3339, id.NotAfter); err != nil && id.NotAfter != "" {
			v.bad(here+".not_after", "must be a time such as 2027-01-31T00:00:00Z")
		}
	}
}

func (v *validator) publicKey(at, text string) {
	if key, err := hex.DecodeString(text); text != "" && (err != nil || len(key) != publicKeySize) {
		v.bad(at, "must be the %d hex digits of a compressed public key", 2*publicKeySize)
	}
}
