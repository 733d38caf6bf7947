package config

import "time"

// maxReplicaWait keeps a WAIT shorter than what bounds a write.
const maxReplicaWait = time.Second

func (v *validator) redis() {
	r := v.cfg.Redis
	v.required("redis", r)
	v.required("redis.namespace", r.Namespace)
	if p := r.Namespace.BasePrefix; p != "" && !basePrefix.MatchString(p) {
		v.bad("redis.namespace.base_prefix", "%q may have letters, digits, dashes and underscores", p)
	}
	if r.Replicas < 0 || r.Replicas > 16 {
		v.bad("redis.wait_replicas", "is %d, must be from 0 to 16", r.Replicas)
	}
	if r.ReplicaWait <= 0 || r.ReplicaWait > maxReplicaWait {
		v.bad("redis.wait_timeout", "is %s, must be positive and at most %s", r.ReplicaWait, maxReplicaWait)
	}
	if (r.TLS.Cert == "") != (r.TLS.Key == "") {
		v.bad("redis.tls.cert", "cert and key go together")
	}
	if r.URL == "" {
		return // required says so
	}
	e, err := r.Endpoint()
	if err != nil {
		v.bad("redis.url", "%v", err)
		return
	}
	if r.TLS.Enabled() && !e.TLS {
		v.bad("redis.tls", "has no effect: the URL's scheme is not rediss")
	}
	v.sentinel(r.Sentinel, e)
}

func (v *validator) sentinel(s Sentinel, e Endpoint) {
	switch {
	case e.Mode == RedisSentinel && s.Master == "":
		v.bad("redis.sentinel.master_name", "is required with a redis+sentinel URL")
	case e.Mode != RedisSentinel && s != Sentinel{}:
		v.bad("redis.sentinel", "has no effect: the URL's scheme is not redis+sentinel")
	}
}
