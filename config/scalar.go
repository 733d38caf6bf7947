package config

import (
	"fmt"
	"math"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// scalar reads a single value. Messages do not quote what a Secret was read
// from.
func (d *decoder) scalar(node ast.Node, into reflect.Value, path string) {
	text, ok := scalarText(node)
	if !ok {
		d.unreadable(path, "must be a single value")
		return
	}
	d.at[path] = position(node.GetToken())
	text, err := expand(text)
	if err == nil {
		err = setScalar(into, text)
	}
	if err != nil {
		d.unreadable(path, "%v", err)
	}
}

// scalarText is a value as it is written, without quotes.
func scalarText(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return strings.TrimSpace(n.GetToken().Value), true
	}
	return "", false
}

func isScalar(node ast.Node) bool {
	_, ok := scalarText(node)
	return ok
}

// seconds gives a plain number the unit that its key has in its name.
func (d *decoder) seconds(node ast.Node) ast.Node {
	if n, ok := node.(*ast.IntegerNode); ok {
		text := n.GetToken().Clone()
		text.Value += "s"
		return ast.String(text)
	}
	return node
}

func setScalar(into reflect.Value, text string) error {
	switch into.Interface().(type) {
	case time.Duration:
		return setDuration(into, text)
	case Bytes:
		n, ok := parseBytes(text)
		if !ok {
			return fmt.Errorf("%q is not a size such as 20MB, at most 2GB", text)
		}
		into.SetUint(uint64(n))
		return nil
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		into.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, strconv.IntSize)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", text)
		}
		into.SetInt(n)
	case reflect.Uint64:
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number of 0 or more", text)
		}
		into.SetUint(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is not a number", text)
		}
		into.SetFloat(x)
	default:
		return fmt.Errorf("keys of type %s cannot be read", into.Type())
	}
	return nil
}

func setDuration(into reflect.Value, text string) error {
	duration, err := time.ParseDuration(text)
	if err != nil {
		if _, numeric := strconv.ParseFloat(text, 64); numeric == nil {
			return fmt.Errorf("%q needs a unit, such as %ss or %sms", text, text, text)
		}
		return fmt.Errorf("%q is not a duration such as 9s", text)
	}
	into.SetInt(int64(duration))
	return nil
}

// reference is ${NAME}. A dollar sign alone means itself: passwords have them.
var reference = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// expand replaces ${NAME} by environment variables, which must be set.
func expand(text string) (string, error) {
	var missing error
	out := reference.ReplaceAllStringFunc(text, func(ref string) string {
		name := ref[2 : len(ref)-1]
		value, ok := os.LookupEnv(name)
		if !ok && missing == nil {
			missing = fmt.Errorf("the environment variable %s is not set", name)
		}
		return value
	})
	return out, missing
}
