package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder walks the YAML tree along the Go types, so that every key has its
// place and one wrong value does not hide the next. The types are finite, so an
// alias inside its own anchor ends.
type decoder struct {
	document
	file     string
	at       map[string]Position // of every key that the file has, by path
	wrong    map[string]bool     // paths whose value could not be read
	problems Problems
}

// withDefaults is a map's element whose absent keys are not zero.
type withDefaults interface{ setDefaults() }

// decodeFile fills into, a pointer to a struct, with what the file says.
func decodeFile(file string, bz []byte, into any) *decoder {
	d := &decoder{file: file, at: make(map[string]Position), wrong: make(map[string]bool)}
	doc, problem := parseDocument(bz)
	if problem != nil {
		problem.File = file
		d.problems = Problems{*problem}
	}
	d.document = doc
	if doc.body != nil {
		d.decode(doc.body, reflect.ValueOf(into).Elem(), "")
	}
	return d
}

// problem notes what is wrong with a key, at its place or, if it is missing, at
// the section that lacks it.
func (d *decoder) problem(path, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Position: d.place(path), Path: path, Message: fmt.Sprintf(format, args...)})
}

func (d *decoder) place(path string) Position {
	for ; path != ""; path = parent(path) {
		if at, ok := d.at[path]; ok {
			return at
		}
	}
	return Position{}
}

func (d *decoder) unreadable(path, format string, args ...any) {
	d.wrong[path] = true
	d.problem(path, format, args...)
}

func (d *decoder) decode(node ast.Node, into reflect.Value, path string) {
	node, err := d.value(node)
	if err != nil {
		d.unreadable(path, "%v", err)
		return
	}
	if node == nil || node.Type() == ast.NullType {
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		if field, ok := shortField(into); ok && isScalar(node) {
			d.scalar(node, field, path)
			return
		}
		d.fields(node, into, path)
	case reflect.Map:
		d.entries(node, into, path)
	case reflect.Slice:
		d.items(node, into, path)
	default:
		d.scalar(node, into, path)
	}
}

// shortField is the field that a text alone stands for, where a mapping may be.
func shortField(into reflect.Value) (reflect.Value, bool) {
	for i := range into.NumField() {
		if into.Type().Field(i).Tag.Get("short") == "yes" {
			return into.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func (d *decoder) fields(node ast.Node, into reflect.Value, path string) {
	keys, names := fieldsByKey(into.Type())
	filled := make(map[int]bool)
	for _, e := range d.mapping(node, path) {
		at := join(path, e.name)
		i, known := keys[e.name]
		switch {
		case !known:
			d.problem(at, "unknown key%s", didYouMean(e.name, names))
		case filled[i]:
			d.problem(at, "is an old name of %s, which is there too", into.Type().Field(i).Tag.Get("yaml"))
		default:
			filled[i] = true
			d.field(e, into, i, path)
		}
	}
}

// field decodes an entry into field i. An old name of the key has its place
// under the new one too, where the checks of values look.
func (d *decoder) field(e entry, into reflect.Value, i int, path string) {
	at := join(path, into.Type().Field(i).Tag.Get("yaml"))
	d.at[at] = d.at[join(path, e.name)]
	if strings.HasSuffix(e.name, "_seconds") {
		e.value = d.seconds(e.value)
	}
	d.decode(e.value, into.Field(i), at)
}

// fieldsByKey maps the keys of a struct, old names included, to its fields, and
// lists the names of today.
func fieldsByKey(t reflect.Type) (keys map[string]int, names []string) {
	keys = make(map[string]int)
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		names = append(names, tag.Get("yaml"))
		keys[tag.Get("yaml")] = i
		if old := tag.Get("alias"); old != "" {
			keys[old] = i
		}
	}
	return keys, names
}

func (d *decoder) entries(node ast.Node, into reflect.Value, path string) {
	into.Set(reflect.MakeMap(into.Type()))
	for _, e := range d.mapping(node, path) {
		value := reflect.New(into.Type().Elem())
		if v, ok := value.Interface().(withDefaults); ok {
			v.setDefaults()
		}
		d.decode(e.value, value.Elem(), join(path, e.name))
		into.SetMapIndex(reflect.ValueOf(e.name), value.Elem())
	}
}

func (d *decoder) items(node ast.Node, into reflect.Value, path string) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.unreadable(path, "must be a list")
		return
	}
	for i, item := range list.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.at[at] = position(item.GetToken())
		value := reflect.New(into.Type().Elem()).Elem()
		d.decode(item, value, at)
		into.Set(reflect.Append(into, value))
	}
}

// entry is one key of a mapping.
type entry struct {
	name  string
	value ast.Node
}

// mapping lists the entries of a mapping and notes their places. Its own keys
// win over those that it merges (<<).
func (d *decoder) mapping(node ast.Node, path string) []entry {
	var own, merged []entry
	for _, e := range d.pairs(node, path) {
		if e.Key.IsMergeKey() {
			merged = append(merged, d.merge(e.Value, path)...)
			continue
		}
		name := e.Key.GetToken().Value
		first, again := d.at[join(path, name)]
		d.at[join(path, name)] = position(e.Key.GetToken())
		if again && contains(own, name) {
			d.problem(join(path, name), "is there twice, first on line %d", first.Line)
			continue
		}
		own = append(own, entry{name, e.Value})
	}
	for _, e := range merged {
		if !contains(own, e.name) {
			own = append(own, e)
		}
	}
	return own
}

func (d *decoder) merge(node ast.Node, path string) []entry {
	value, err := d.value(node)
	if err != nil {
		d.problem(path, "%v", err)
		return nil
	}
	var entries []entry
	for _, e := range d.pairs(value, path) {
		name := e.Key.GetToken().Value
		if _, ok := d.at[join(path, name)]; !ok {
			d.at[join(path, name)] = position(e.Key.GetToken())
		}
		entries = append(entries, entry{name, e.Value})
	}
	return entries
}

func (d *decoder) pairs(node ast.Node, path string) []*ast.MappingValueNode {
	switch m := node.(type) {
	case *ast.MappingNode:
		return m.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{m}
	}
	d.unreadable(path, "must be a mapping of keys to values")
	return nil
}

func contains(entries []entry, name string) bool {
	return slices.ContainsFunc(entries, func(e entry) bool { return e.name == name })
}

// parent is the section that path is in.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
