package config

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Redis is the store of streams and trees.
type Redis struct {
	URL         Secret        `yaml:"url" required:"yes" doc:"redis://HOST:PORT/DB or unix://PATH of one server, redis+sentinel://HOST:PORT,HOST:PORT/DB of sentinels, redis+cluster://HOST:PORT,HOST:PORT of nodes of a Cluster; rediss instead of redis uses TLS; USER:PASSWORD@ may precede the hosts"`
	Username    string        `yaml:"username" doc:"ACL user; default: the one in the URL"`
	Password    Secret        `yaml:"password" doc:"its password; default: the one in the URL"`
	TLS         RedisTLS      `yaml:"tls"`
	Sentinel    Sentinel      `yaml:"sentinel"`
	Replicas    int           `yaml:"wait_replicas" doc:"replicas that should have a flush or a seal before it counts as durable; 0 does not ask"`
	ReplicaWait time.Duration `yaml:"wait_timeout" doc:"longest wait for them; the miner goes on after it, and says so"`
	Namespace   Namespace     `yaml:"namespace"`
}

// RedisTLS is what a rediss URL uses. The certificate is for servers that ask
// for one.
type RedisTLS struct {
	CA         string `yaml:"ca" local:"yes" doc:"PEM file of the CA; default: the system's; relative to this file"`
	Cert       string `yaml:"cert" local:"yes" doc:"PEM file of the client certificate, together with key"`
	Key        string `yaml:"key" local:"yes" doc:"PEM file of its private key"`
	ServerName string `yaml:"server_name" doc:"name in the servers' certificate; default: the host that is dialled"`
}

// Enabled says that something about TLS is configured.
func (t RedisTLS) Enabled() bool { return t != RedisTLS{} }

// Sentinel is the group of sentinels that a redis+sentinel URL lists.
type Sentinel struct {
	Master   string `yaml:"master_name" doc:"the monitored master"`
	Username string `yaml:"username" doc:"ACL user of the sentinels themselves"`
	Password Secret `yaml:"password" doc:"password of the sentinels themselves"`
}

// RedisMode is how servers are found.
type RedisMode string

// The modes, which are also the suffix of the URL's scheme.
const (
	RedisStandalone RedisMode = ""
	RedisSentinel   RedisMode = "sentinel"
	RedisCluster    RedisMode = "cluster"
)

// Endpoint is what a Redis URL says.
type Endpoint struct {
	Mode     RedisMode
	TLS      bool
	Addrs    []string // host:port, or the path of a socket
	Username string
	Password string
	DB       int
}

// defaultPorts are those of a server and of a sentinel.
const (
	serverPort   = "6379"
	sentinelPort = "26379"
)

var errRedisScheme = errors.New("must be a redis, rediss or unix URL, redis and rediss with +sentinel or +cluster if need be")

// Endpoint reads the URL. username and password take precedence over those in it.
// Errors do not quote the URL, which may hold a password.
func (r Redis) Endpoint() (Endpoint, error) {
	u, err := url.Parse(r.URL.Reveal())
	if err != nil {
		return Endpoint{}, errRedisScheme
	}
	var e Endpoint
	base, mode, _ := strings.Cut(u.Scheme, "+")
	e.Mode, e.TLS = RedisMode(mode), base == "rediss"
	e.Username = u.User.Username()
	e.Password, _ = u.User.Password()
	if r.Username != "" {
		e.Username = r.Username
	}
	if r.Password != "" {
		e.Password = r.Password.Reveal()
	}
	if u.Scheme == "unix" {
		return e, e.socket(u)
	}
	if base != "redis" && base != "rediss" || e.Mode != RedisStandalone && e.Mode != RedisSentinel && e.Mode != RedisCluster {
		return e, errRedisScheme
	}
	if u.RawQuery != "" {
		return e, errors.New("takes no options after ?")
	}
	if err := e.hosts(u.Host); err != nil {
		return e, err
	}
	return e, e.database(strings.Trim(u.Path, "/"))
}

func (e *Endpoint) socket(u *url.URL) error {
	if u.Path == "" {
		return errors.New("has no path to a socket")
	}
	e.Addrs = []string{u.Path}
	return e.database(u.Query().Get("db"))
}

func (e *Endpoint) hosts(list string) error {
	port := serverPort
	if e.Mode == RedisSentinel {
		port = sentinelPort
	}
	for host := range strings.SplitSeq(list, ",") {
		one := url.URL{Host: host}
		if one.Hostname() == "" {
			return errors.New("has no host, or an empty one in its list")
		}
		if one.Port() == "" {
			host += ":" + port
		}
		e.Addrs = append(e.Addrs, host)
	}
	if e.Mode == RedisStandalone && len(e.Addrs) > 1 {
		return errors.New("lists several hosts: say redis+sentinel or redis+cluster")
	}
	return nil
}

func (e *Endpoint) database(text string) error {
	if text == "" {
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return fmt.Errorf("%q is no database number", text)
	}
	if n != 0 && e.Mode == RedisCluster {
		return errors.New("a Cluster has database 0 only")
	}
	e.DB = int(n)
	return nil
}
