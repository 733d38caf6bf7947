package config

import (
	"maps"
	"net"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// validator finds the wrong values that a decoder cannot see. It says nothing
// about a value that could not be read: the decoder did.
type validator struct {
	*decoder
	cfg  *Config
	role Role
}

func (v *validator) validate() {
	v.chain()
	v.shared()
	relays := v.has("relayer") || v.has("services")
	if v.role == RoleAny && !v.has("miner") && !relays {
		v.bad("", "neither a miner nor a relayer section")
	}
	if v.role == RoleMiner || v.role == RoleAny && v.has("miner") {
		v.miner()
	}
	if v.role == RoleRelayer || v.role == RoleAny && relays {
		v.relayer()
	}
	v.tx()
	v.observability()
}

func (v *validator) has(section string) bool {
	_, ok := v.at[section]
	return ok
}

// bad reports a value, unless it or a section around it could not be read.
func (v *validator) bad(path, format string, args ...any) {
	for at := path; at != ""; at = parent(at) {
		if v.wrong[at] {
			return
		}
	}
	v.problem(path, format, args...)
}

// required reports the keys of a section that must be there and are not.
func (v *validator) required(path string, section any) {
	value := reflect.ValueOf(section)
	for i := range value.NumField() {
		tag := value.Type().Field(i).Tag
		at := join(path, tag.Get("yaml"))
		if tag.Get("required") == "yes" && isEmpty(value.Field(i)) {
			v.bad(at, "is required")
		}
	}
}

func isEmpty(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Map, reflect.Slice:
		return value.Len() == 0
	}
	return value.IsZero()
}

// basePrefix is one flat segment of a Redis key.
var basePrefix = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func (v *validator) shared() {
	v.redis()
	v.keys()
	v.required("cluster", v.cfg.Cluster)
	if n := v.cfg.Cluster.Partitions; n < 1 || n > 1024 {
		v.bad("cluster.partitions", "is %d, must be from 1 to 1024", n)
	}
}

func (v *validator) tx() {
	if _, err := v.cfg.Tx.Price(); err != nil {
		v.bad("tx.gas_price", "%v", err)
	}
	if _, err := v.cfg.Tx.MaxPrice(); err != nil {
		v.bad("tx.max_gas_price", "%v", err)
	}
	if v.cfg.Tx.GasAdjustment < 1 || v.cfg.Tx.GasAdjustment > 10 {
		v.bad("tx.gas_adjustment", "is %g, must be from 1 to 10", v.cfg.Tx.GasAdjustment)
	}
	if v.cfg.Tx.GasLimit == 0 {
		v.bad("tx.gas_limit", "must be positive")
	}
}

func (v *validator) observability() {
	if v.cfg.Metrics.Enabled {
		v.listenAddress("metrics.addr", v.cfg.Metrics.Addr)
	}
	v.oneOf("logging.level", v.cfg.Logging.Level, "debug", "info", "warn", "error")
	if v.cfg.Logging.Format != "" {
		v.oneOf("logging.format", v.cfg.Logging.Format, "json", "console")
	}
}

func (v *validator) oneOf(path, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		v.bad(path, "%q is not one of %s%s", value, strings.Join(choices, ", "), didYouMean(value, choices))
	}
}

// url does not quote what it refuses: a URL may hold a password.
func (v *validator) url(path, raw string, schemes ...string) {
	if raw == "" {
		return // required says so
	}
	u, err := url.Parse(raw)
	if err != nil || !slices.Contains(schemes, u.Scheme) {
		v.bad(path, "must be a URL with scheme %s", list(schemes))
		return
	}
	if u.Host == "" {
		v.bad(path, "has no host")
	}
}

// listenAddress checks host:port, of which the host may be left out.
func (v *validator) listenAddress(path, addr string) bool {
	if addr == "" {
		return false
	}
	_, port, err := net.SplitHostPort(addr)
	if _, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil {
		v.bad(path, "%q is not host:port", addr)
		return false
	}
	return true
}

// dialAddress checks an address that others dial.
func (v *validator) dialAddress(path, addr string) {
	if !v.listenAddress(path, addr) {
		return
	}
	host, port, _ := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() || port == "0" {
		v.bad(path, "%q is no address that peers can dial", addr)
	}
}

// list is "a, b or c".
func list(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
