package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		redis Redis
		want  string // Endpoint, or the error
	}{
		"one server":        {Redis{URL: "redis://u:p@h:1234/3"}, "{ false [h:1234] u p 3}"},
		"default port":      {Redis{URL: "redis://h"}, "{ false [h:6379]   0}"},
		"TLS":               {Redis{URL: "rediss://h"}, "{ true [h:6379]   0}"},
		"IPv6":              {Redis{URL: "redis://[::1]:7/"}, "{ false [[::1]:7]   0}"},
		"socket":            {Redis{URL: "unix:///run/redis.sock?db=2"}, "{ false [/run/redis.sock]   2}"},
		"sentinels":         {Redis{URL: "redis+sentinel://a,b:7/1"}, "{sentinel false [a:26379 b:7]   1}"},
		"Cluster over TLS":  {Redis{URL: "rediss+cluster://:p@a:1,b:2"}, "{cluster true [a:1 b:2]  p 0}"},
		"own user":          {Redis{URL: "redis://u:p@h", Username: "v", Password: "q"}, "{ false [h:6379] v q 0}"},
		"several hosts":     {Redis{URL: "redis://a,b"}, "lists several hosts: say redis+sentinel or redis+cluster"},
		"empty host":        {Redis{URL: "redis+cluster://a,"}, "has no host, or an empty one in its list"},
		"no host":           {Redis{URL: "redis:///0"}, "has no host, or an empty one in its list"},
		"no socket":         {Redis{URL: "unix:"}, "has no path to a socket"},
		"Cluster database":  {Redis{URL: "redis+cluster://a/1"}, "a Cluster has database 0 only"},
		"database":          {Redis{URL: "redis://a/x"}, `"x" is no database number`},
		"options":           {Redis{URL: "redis://a?protocol=3"}, "takes no options after ?"},
		"scheme":            {Redis{URL: "http://a"}, errRedisScheme.Error()},
		"suffix":            {Redis{URL: "redis+ring://a"}, errRedisScheme.Error()},
		"secret not quoted": {Redis{URL: "redis://u:%zz@a"}, errRedisScheme.Error()},
	} {
		e, err := c.redis.Endpoint()
		got := fmt.Sprint(e)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

func TestRedisProblems(t *testing.T) {
	namespace := Namespace{BasePrefix: "rm"}
	sound := Redis{URL: "redis://h", Namespace: namespace, ReplicaWait: time.Millisecond}
	for name, c := range map[string]struct {
		change func(*Redis)
		want   string
	}{
		"sound":             {func(*Redis) {}, ""},
		"no master":         {func(r *Redis) { r.URL = "redis+sentinel://h" }, "redis.sentinel.master_name"},
		"master, no need":   {func(r *Redis) { r.Sentinel.Master = "m" }, "redis.sentinel"},
		"half a key pair":   {func(r *Redis) { r.URL, r.TLS.Cert = "rediss://h", "c" }, "redis.tls.cert"},
		"TLS, plain scheme": {func(r *Redis) { r.TLS.CA = "c" }, "redis.tls"},
		"replicas":          {func(r *Redis) { r.Replicas = -1 }, "redis.wait_replicas"},
		"no wait":           {func(r *Redis) { r.ReplicaWait = 0 }, "redis.wait_timeout"},
		"long wait":         {func(r *Redis) { r.ReplicaWait = time.Minute }, "redis.wait_timeout"},
	} {
		cfg := Config{Redis: sound}
		c.change(&cfg.Redis)
		v := &validator{decoder: decodeFile("f", nil, &Config{}), cfg: &cfg}
		v.redis()
		var got []string
		for _, p := range v.problems {
			got = append(got, p.Path)
		}
		if want := strings.Fields(c.want); !slices.Equal(got, want) {
			t.Errorf("%s: got problems with %v, want %v", name, got, want)
		}
	}
}
