package ring

import "github.com/prometheus/client_golang/prometheus"

const namespace = "ha_relayer"

// crossChecks counts verdicts that ring-go shared, and those it did not.
func crossChecks(reg prometheus.Registerer) (agreed, disagreed prometheus.Counter) {
	checks := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "ring_cross_checks_total",
		Help: "Ring signatures verified by ring-go as well, by whether the verdicts agree.",
	}, []string{"result"})
	if reg != nil {
		reg.MustRegister(checks)
	}
	return checks.WithLabelValues("agree"), checks.WithLabelValues("disagree")
}

// gauges tell what is kept. They follow the cache by the moment that it takes to
// evict.
func (c *pointCache) gauges() []prometheus.Collector {
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value)
	}
	return []prometheus.Collector{
		gauge("ring_points", "Ring members and key images whose points are kept.",
			func() float64 { return float64(c.known.EstimatedSize()) }),
		gauge("ring_table_points", "Of those, the hot ones that have window tables.",
			func() float64 { return float64(c.tabled()) }),
		gauge("ring_table_bytes", "Memory of window tables: 512 KiB a ring member, 256 KiB a key image, 832 KiB for the generator.",
			func() float64 { return float64(c.tableMemory()) }),
	}
}

// tabled is the number of points with tables.
func (c *pointCache) tabled() int {
	if c.hot == nil {
		return 0
	}
	return c.hot.EstimatedSize()
}

// tableMemory is in bytes.
func (c *pointCache) tableMemory() int {
	n := len(c.generator.entries) * affineBytes
	if c.hot != nil {
		n += int(c.hot.WeightedSize())
	}
	return n
}
