package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"reflect"
)

// Hash identifies what the nodes of a cluster must have in common: the
// effective configuration without what differs between nodes (keys tagged
// local) and without secrets. Of Redis it has the server and the database.
func (c *Config) Hash() string {
	tree := sharedTree(reflect.ValueOf(*c)).(map[string]any)
	tree["redis"].(map[string]any)["url"] = serverOf(c.Redis.URL)
	bz, err := json.Marshal(tree) // maps in the order of their keys
	if err != nil {
		panic(err) // strings, numbers and maps of them always encode
	}
	sum := sha256.Sum256(bz)
	return hex.EncodeToString(sum[:])
}

// sharedTree is a value as maps by key; secrets encode as hidden.
func sharedTree(value reflect.Value) any {
	switch value.Kind() {
	case reflect.Struct:
		out := make(map[string]any)
		for i := range value.NumField() {
			if tag := value.Type().Field(i).Tag; tag.Get("local") != "yes" {
				out[tag.Get("yaml")] = sharedTree(value.Field(i))
			}
		}
		return out
	case reflect.Map:
		if headers, ok := value.Interface().(Headers); ok {
			return headers
		}
		out := make(map[string]any)
		for _, key := range value.MapKeys() {
			out[key.String()] = sharedTree(value.MapIndex(key))
		}
		return out
	case reflect.Slice:
		var out []any
		for i := range value.Len() {
			out = append(out, sharedTree(value.Index(i)))
		}
		return out
	}
	return value.Interface()
}

func serverOf(raw Secret) string {
	u, err := url.Parse(raw.Reveal())
	if err != nil {
		return ""
	}
	return u.Host + u.Path
}
