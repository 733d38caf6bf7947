package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Load reads the file at path for a role. The error is Problems when the file
// could be read but not used.
func Load(path string, role Role) (*Config, error) {
	bz, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return parse(path, bz, role)
}

// parse decodes what it can and collects everything that is wrong.
func parse(path string, bz []byte, role Role) (*Config, error) {
	file, err := parser.ParseBytes(bz, 0)
	if err != nil {
		return nil, Problems{{File: path, Message: yaml.FormatError(err, false, true)}}
	}
	d := &decoder{file: path, lines: make(map[string]int)}
	cfg := Default()
	for _, doc := range file.Docs {
		if doc.Body != nil {
			d.decode(doc.Body, reflect.ValueOf(&cfg).Elem(), "")
		}
	}
	cfg.resolve(filepath.Dir(path))
	v := &validator{cfg: &cfg, role: role, decoder: d}
	v.validate()
	if len(d.problems) > 0 {
		return nil, d.problems.sorted()
	}
	return &cfg, nil
}

// resolve completes what depends on the file's place and the environment.
func (c *Config) resolve(dir string) {
	c.Keys.File = relativeTo(dir, c.Keys.File)
	c.Miner.DataDir = relativeTo(dir, c.Miner.DataDir)
	c.Redis.URL = Secret(os.ExpandEnv(string(c.Redis.URL)))
	for id, s := range c.Services {
		if s.Timeout == 0 {
			s.Timeout = DefaultTimeout
		}
		if s.MaxRequestBody == 0 {
			s.MaxRequestBody = DefaultMaxRequestBody
		}
		if s.MaxResponseBody == 0 {
			s.MaxResponseBody = DefaultMaxResponseBody
		}
		for name, b := range s.Backends {
			b.Authentication.Password = Secret(os.ExpandEnv(string(b.Authentication.Password)))
			s.Backends[name] = b
		}
		c.Services[id] = s
	}
	if c.Miner.Raft.Advertise == "" {
		c.Miner.Raft.Advertise = c.Miner.Raft.Bind
	}
}

func relativeTo(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// decoder walks the YAML tree along the Go types, so that every key has its
// line and one wrong value does not hide the next.
type decoder struct {
	file     string
	lines    map[string]int // by path
	problems Problems
}

func (d *decoder) problem(line int, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) decode(node ast.Node, into reflect.Value, path string) {
	d.lines[path] = node.GetToken().Position.Line
	if node.Type() == ast.NullType {
		return
	}
	_, custom := into.Addr().Interface().(yaml.InterfaceUnmarshaler)
	switch {
	case custom:
		d.scalar(node, into, path)
	case into.Kind() == reflect.Struct:
		d.fields(node, into, path)
	case into.Kind() == reflect.Map:
		d.entries(node, into, path)
	case into.Kind() == reflect.Slice:
		d.items(node, into, path)
	default:
		d.scalar(node, into, path)
	}
}

func (d *decoder) fields(node ast.Node, into reflect.Value, path string) {
	byName := make(map[string]int)
	var names []string
	for i := range into.NumField() {
		name := into.Type().Field(i).Tag.Get("yaml")
		byName[name] = i
		names = append(names, name)
	}
	for _, entry := range d.mapping(node, path) {
		name := entry.Key.String()
		i, known := byName[name]
		if !known {
			d.problem(entry.Key.GetToken().Position.Line, join(path, name), "unknown key%s", didYouMean(name, names))
			continue
		}
		d.decode(entry.Value, into.Field(i), join(path, name))
	}
}

func (d *decoder) entries(node ast.Node, into reflect.Value, path string) {
	into.Set(reflect.MakeMap(into.Type()))
	for _, entry := range d.mapping(node, path) {
		name := strings.Trim(entry.Key.String(), `"'`)
		value := reflect.New(into.Type().Elem()).Elem()
		d.decode(entry.Value, value, join(path, name))
		into.SetMapIndex(reflect.ValueOf(name), value)
	}
}

func (d *decoder) items(node ast.Node, into reflect.Value, path string) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.problem(node.GetToken().Position.Line, path, "must be a list")
		return
	}
	for i, item := range list.Values {
		value := reflect.New(into.Type().Elem()).Elem()
		d.decode(item, value, fmt.Sprintf("%s[%d]", path, i))
		into.Set(reflect.Append(into, value))
	}
}

func (d *decoder) scalar(node ast.Node, into reflect.Value, path string) {
	if err := yaml.NodeToValue(node, into.Addr().Interface()); err != nil {
		message, _, _ := strings.Cut(yaml.FormatError(err, false, false), "\n")
		d.problem(node.GetToken().Position.Line, path, "%s", message)
	}
}

func (d *decoder) mapping(node ast.Node, path string) []*ast.MappingValueNode {
	switch m := node.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	d.problem(node.GetToken().Position.Line, path, "must be a mapping of keys to values")
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
