package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/config.md")

const (
	referenceFile = "../docs/config.md"
	exampleFile   = "../docs/example.yaml"
)

const referenceHead = `# Configuration

One YAML file for relayers and miners (or one for each: a role asks only for the sections it needs). ` + "`raftminer config\nvalidate FILE`" + ` lists every problem of a file in one pass, each with its line, and exits with 5 if there is one;
` + "[example.yaml](example.yaml)" + ` has every key. This page is made from the code by ` + "`make docs`" + `.

- Unknown keys, keys that are there twice and values of the wrong type are errors, always.
- ` + "`${NAME}`" + ` in a value is the environment variable NAME, which must be set. A ` + "`$`" + ` without braces means itself.
- Durations have a unit (` + "`500ms`, `9s`" + `); sizes may have one (` + "`20MB`, `512KiB`" + `) and are at most 2 GB.
- Relative paths are relative to the file. YAML anchors, aliases and ` + "`<<`" + ` merges work.
- Secrets and header values are never logged and never quoted in a problem.
`

// The page must say what the code does.
func TestReferenceIsCurrent(t *testing.T) {
	want := referencePage()
	if *update {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run `make docs`", referenceFile)
	}
}

// The example must load for every role, and leave no key out.
func TestExample(t *testing.T) {
	setExampleSecrets(t)
	for _, role := range []Role{RoleAny, RoleMiner, RoleRelayer} {
		if _, err := Load(exampleFile, role); err != nil {
			t.Errorf("role %q: %v", role, err)
		}
	}
	bz, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	var cfg Config
	present := make(map[string]bool)
	for path := range decodeFile(exampleFile, bz, &cfg).at {
		present[general(path)] = true
	}
	for _, row := range rows(reflect.ValueOf(Default()), "") {
		path, _, _ := strings.Cut(strings.TrimPrefix(row, "| `"), "`")
		if !present[path] {
			t.Errorf("the example lacks %s", path)
		}
	}
}

// setExampleSecrets sets what the example takes from the environment.
func setExampleSecrets(t *testing.T) {
	t.Helper()
	for _, name := range []string{"REDIS_PASSWORD", "SENTINEL_PASSWORD", "ETH_API_KEY", "ETH_TOKEN", "ETH_PASSWORD", "COSMOS_TOKEN"} {
		t.Setenv(name, "x")
	}
}

// general is the path of a key with its names and numbers left out.
func general(path string) string {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		name, _, indexed := strings.Cut(part, "[")
		switch {
		case indexed:
			parts[i] = name + "[]"
		case i == 1 && parts[0] == "services":
			parts[i] = "<id>"
		case i == 3 && parts[2] == "backends":
			parts[i] = "<type>"
		case i > 4 && parts[i-1] == "headers":
			return strings.Join(parts[:i], ".")
		}
	}
	return strings.Join(parts, ".")
}

func referencePage() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	defaults := reflect.ValueOf(Default())
	for i := range defaults.NumField() {
		tag := defaults.Type().Field(i).Tag
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | value | default | meaning |\n|---|---|---|---|\n", tag.Get("yaml"), code(tag.Get("doc")))
		for _, row := range rows(defaults.Field(i), tag.Get("yaml")) {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

// code turns the quotes that a struct tag can hold into those of Markdown.
func code(doc string) string { return strings.ReplaceAll(doc, "'", "`") }

// rows has a line of a table for each key under value.
func rows(value reflect.Value, path string) []string {
	switch {
	case value.Kind() == reflect.Slice:
		return rows(reflect.New(value.Type().Elem()).Elem(), path+"[]")
	case value.Kind() == reflect.Map:
		element := reflect.New(value.Type().Elem())
		name := "<type>"
		if d, ok := element.Interface().(withDefaults); ok {
			d.setDefaults()
		}
		if element.Type() == reflect.TypeFor[*Service]() {
			name = "<id>"
		}
		return rows(element.Elem(), path+"."+name)
	}
	var out []string
	for i := range value.NumField() {
		field, tag := value.Field(i), value.Type().Field(i).Tag
		at := join(path, tag.Get("yaml"))
		if nested(field.Type()) {
			out = append(out, rows(field, at)...)
			continue
		}
		meaning := tag.Get("doc")
		if old := tag.Get("alias"); old != "" {
			meaning += "; `" + old + "` is read too"
		}
		out = append(out, fmt.Sprintf("| `%s` | %s | %s | %s |", at, kind(field.Type()), defaultOf(field, tag), meaning))
	}
	return out
}

func nested(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Struct:
		return true
	case reflect.Slice, reflect.Map:
		return t.Elem().Kind() == reflect.Struct
	}
	return false
}

func kind(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "duration"
	case reflect.TypeFor[Bytes]():
		return "size"
	case reflect.TypeFor[Secret]():
		return "secret"
	case reflect.TypeFor[Headers]():
		return "headers"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "list"
	case reflect.Bool:
		return "true, false"
	case reflect.Int, reflect.Uint64, reflect.Float64:
		return "number"
	}
	return "text"
}

func defaultOf(value reflect.Value, tag reflect.StructTag) string {
	switch {
	case tag.Get("required") == "yes" && value.IsZero():
		return "**required**"
	case value.IsZero() && value.Kind() != reflect.Bool:
		return ""
	}
	return fmt.Sprintf("`%v`", value.Interface())
}
