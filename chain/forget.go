package chain

import "slices"

// forget drops the answers that an event has made wrong. What was decided at a past
// height stays: params are kept by height, and only heights to come are asked again.
func (c *Client) forget(e Event) {
	if e.Kind == EventParams || e.Kind == EventMissed {
		c.sharedParams.cache.InvalidateAll()
		c.proofParams.cache.InvalidateAll()
		c.tokenomicsParams.cache.InvalidateAll()
		c.supplierParams.cache.InvalidateAll()
	}
	if e.Kind != EventApplication && e.Kind != EventMissed {
		return
	}
	if e.Application == "" {
		c.sharedApps.drop(slices.Collect(c.applications.cache.Keys()))
		c.applications.cache.InvalidateAll()
		c.rings.cache.InvalidateAll()
		return
	}
	c.sharedApps.drop([]string{e.Application})
	c.applications.cache.Invalidate(e.Application)
	for ring := range c.rings.cache.Keys() {
		if ring.application == e.Application {
			c.rings.cache.Invalidate(ring)
		}
	}
}
