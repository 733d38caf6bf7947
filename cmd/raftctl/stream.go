package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// stream prints rows as they come: lines of JSON, of CSV, or of plain text.
type stream[T any] struct {
	printer
	begun bool
}

func (s *stream[T]) print(rows ...T) error {
	for _, row := range rows {
		if err := s.one(row); err != nil {
			return err
		}
	}
	return nil
}

func (s *stream[T]) one(row T) error {
	first := !s.begun
	s.begun = true
	switch s.format {
	case formatJSON, formatLines:
		return json.NewEncoder(s.out).Encode(row)
	case formatCSV:
		return printCSV(s.out, reflect.ValueOf([]T{row}), first)
	}
	var words []string
	value := reflect.ValueOf(row)
	for _, c := range columnsOf(value.Type()) {
		if c.wide || c.maybe && value.Field(c.index).IsZero() {
			continue
		}
		if cell := c.cell(value); cell != "-" {
			words = append(words, s.paint.word(cell))
		}
	}
	_, err := fmt.Fprintln(s.out, strings.Join(words, "  "))
	return err
}
