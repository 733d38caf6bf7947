package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

// The forms of an answer.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatLines = "jsonl"
	formatCSV   = "csv"
)

func formats() []string { return []string{formatTable, formatJSON, formatLines, formatCSV} }

func checkFormat(format string) error {
	if slices.Contains(formats(), format) {
		return nil
	}
	return usageError{fmt.Errorf("-o must be %s, not %q", strings.Join(formats(), ", "), format)}
}

// printer writes answers in the form that was asked for.
type printer struct {
	out    io.Writer
	format string
	paint  paint
	round  bool // one of many rounds: with jsonl, a round is one value
}

func (o *options) printer(cmd *cobra.Command) printer {
	return printer{out: cmd.OutOrStdout(), format: o.output, paint: paint{on: colourful(cmd.OutOrStdout())}}
}

// list prints rows.
func list[T any](p printer, rows []T) error {
	if rows == nil {
		rows = []T{}
	}
	switch {
	case p.format == formatJSON, p.format == formatLines && p.round:
		return json.NewEncoder(p.out).Encode(rows)
	case p.format == formatLines:
		return printLines(p.out, reflect.ValueOf(rows))
	case p.format == formatCSV:
		return printCSV(p.out, reflect.ValueOf(rows), true)
	}
	printTable(p.out, reflect.ValueOf(rows), p.paint)
	return nil
}

// record prints one row.
func record[T any](p printer, row T) error {
	switch p.format {
	case formatJSON, formatLines:
		return json.NewEncoder(p.out).Encode(row)
	case formatCSV:
		return printCSV(p.out, reflect.ValueOf([]T{row}), true)
	}
	printRecord(p.out, reflect.ValueOf(row), p.paint)
	return nil
}

// say prints one row, or, as a table, a sentence.
func say[T any](p printer, row T, format string, args ...any) error {
	if p.format != formatTable {
		return record(p, row)
	}
	_, err := fmt.Fprintf(p.out, format+"\n", args...)
	return err
}

// isTerminal says that out is a screen.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && isatty.IsTerminal(file.Fd())
}

// colourful says that colours are of use: https://no-color.org.
func colourful(out io.Writer) bool {
	return isTerminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// paint colours the words that an operator looks for.
type paint struct{ on bool }

func (p paint) word(cell string) string {
	if !p.on {
		return cell
	}
	switch cell {
	case "leader", "voter", "ok", "equal", "settled", "landed":
		return text.FgGreen.Sprint(cell)
	case "nonvoter", "candidate", "pending", "no answer", "skipped":
		return text.FgYellow.Sprint(cell)
	case "different", "lost", "expired", "dead", "failed", "shutdown":
		return text.FgRed.Sprint(cell)
	}
	return cell
}
