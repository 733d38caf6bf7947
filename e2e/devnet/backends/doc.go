// Package backends are the services that demo suppliers sell: one small server
// per kind of RPC that a relay may carry, with answers that can be predicted.
package backends
