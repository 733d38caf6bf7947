package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
)

// checkOutput refuses formats that show does not know.
func checkOutput(format string) error {
	if format != "table" && format != "json" && format != "csv" {
		return usageError{fmt.Errorf("-o must be table, json or csv, not %q", format)}
	}
	return nil
}

// show prints rows as a table, as a JSON list or as CSV. Fields are named by their json
// tags; "-" is left out.
func show[T any](cmd *cobra.Command, format string, rows []T) error {
	if format == "json" {
		if rows == nil {
			rows = []T{}
		}
		return json.NewEncoder(cmd.OutOrStdout()).Encode(rows)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	names, _ := cells(reflect.New(reflect.TypeFor[T]()).Elem())
	t.AppendHeader(names)
	for _, row := range rows {
		_, values := cells(reflect.ValueOf(row))
		t.AppendRow(values)
	}
	if format == "csv" {
		_, err := fmt.Fprintln(cmd.OutOrStdout(), t.RenderCSV())
		return err
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), t.Render())
	return err
}

func cells(row reflect.Value) (names, values table.Row) {
	for i := range row.NumField() {
		field := row.Type().Field(i)
		switch name := field.Tag.Get("json"); {
		case field.Anonymous:
			more, moreValues := cells(row.Field(i))
			names, values = append(names, more...), append(values, moreValues...)
		case name != "-":
			names, values = append(names, name), append(values, row.Field(i).Interface())
		}
	}
	return names, values
}

func sortedRows[T any](rows map[string]T) (sorted []T) {
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		sorted = append(sorted, rows[key])
	}
	return sorted
}
