package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// column is one field of a row. Rows are structs whose json tags name the columns;
// a name that ends in _ms is a duration. The tag table:"-" keeps a field out of
// tables of many rows, where width is dear, and only there.
type column struct {
	name  string
	index int
	maybe bool // left out of plain lines when it is zero
	wide  bool // not for tables of many rows
}

func columnsOf(row reflect.Type) []column {
	var columns []column
	for i := range row.NumField() {
		field := row.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		columns = append(columns, column{name: name, index: i, maybe: options == "omitempty", wide: field.Tag.Get("table") == "-"})
	}
	return columns
}

// title is the column's name as a person reads it.
func (c column) title() string {
	return strings.ReplaceAll(strings.TrimSuffix(c.name, "_ms"), "_", " ")
}

// cell is the value as a person reads it.
func (c column) cell(row reflect.Value) string {
	value := row.Field(c.index)
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return "-"
		}
		value = value.Elem()
	}
	if strings.HasSuffix(c.name, "_ms") {
		if value.CanFloat() {
			return time.Duration(value.Float() * float64(time.Millisecond)).Round(time.Microsecond).String()
		}
		if ms := value.Int(); ms >= 0 {
			return (time.Duration(ms) * time.Millisecond).String()
		}
		return "never"
	}
	switch {
	case value.Kind() == reflect.Bool && value.Bool():
		return "yes"
	case value.Kind() == reflect.Bool:
		return "no"
	case value.Kind() != reflect.String && value.Kind() != reflect.Slice && value.Kind() != reflect.Map:
		return fmt.Sprint(value.Interface())
	case value.Len() == 0:
		return "-"
	}
	return strings.Join(words(value), ", ")
}

// raw is the value as a program reads it.
func (c column) raw(row reflect.Value) string {
	value := row.Field(c.index)
	if value.Kind() == reflect.Pointer {
		if value.IsNil() {
			return ""
		}
		value = value.Elem()
	}
	return strings.Join(words(value), ";")
}

// words are the parts of a list, of a map in the order of its keys, or of a value.
func words(value reflect.Value) []string {
	var parts []string
	switch value.Kind() {
	case reflect.Slice:
		for i := range value.Len() {
			parts = append(parts, fmt.Sprint(value.Index(i).Interface()))
		}
	case reflect.Map:
		entries := make(map[string]any)
		for _, key := range value.MapKeys() {
			entries[key.String()] = value.MapIndex(key).Interface()
		}
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			parts = append(parts, fmt.Sprintf("%s=%v", key, entries[key]))
		}
	default:
		parts = []string{fmt.Sprint(value.Interface())}
	}
	return parts
}

// printTable has a line for each row.
func printTable(out io.Writer, rows reflect.Value, p paint) {
	columns := columnsOf(rows.Type().Elem())
	columns = slices.DeleteFunc(columns, func(c column) bool { return c.wide })
	var header table.Row
	for _, c := range columns {
		header = append(header, c.title())
	}
	t := newTable(out)
	t.AppendHeader(header)
	for i := range rows.Len() {
		var line table.Row
		for _, c := range columns {
			line = append(line, p.word(c.cell(rows.Index(i))))
		}
		t.AppendRow(line)
	}
	t.Render()
}

// printRecord has a line for each field of one row.
func printRecord(out io.Writer, row reflect.Value, p paint) {
	t := newTable(out)
	for _, c := range columnsOf(row.Type()) {
		t.AppendRow(table.Row{c.title(), p.word(c.cell(row))})
	}
	t.Render()
}

func newTable(out io.Writer) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	return t
}

// printCSV has a line for each row, after a header.
func printCSV(out io.Writer, rows reflect.Value, header bool) error {
	w := csv.NewWriter(out)
	columns := columnsOf(rows.Type().Elem())
	line := make([]string, len(columns))
	for n, c := range columns {
		line[n] = c.name
	}
	if header {
		if err := w.Write(line); err != nil {
			return err
		}
	}
	for i := range rows.Len() {
		for n, c := range columns {
			line[n] = c.raw(rows.Index(i))
		}
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// printLines has a line of JSON for each row.
func printLines(out io.Writer, rows reflect.Value) error {
	enc := json.NewEncoder(out)
	for i := range rows.Len() {
		if err := enc.Encode(rows.Index(i).Interface()); err != nil {
			return err
		}
	}
	return nil
}
