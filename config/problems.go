package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file, counted from 1; the zero value is no place.
type Position struct{ Line, Column int }

// Problem is one thing wrong with a file.
type Problem struct {
	File string
	Position
	Path    string // of the key, such as miner.raft.peers[0].id
	Message string // never holds the value of a secret
}

// String is file:line: path: message. The path tells keys on one line apart.
func (p Problem) String() string {
	at := p.File
	if p.Line > 0 {
		at = fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	if p.Path == "" {
		return at + ": " + p.Message
	}
	return at + ": " + p.Path + ": " + p.Message
}

// Problems are all that is wrong with a file, in the order of its lines.
type Problems []Problem

// Error lists them, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

func (p Problems) sorted() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return p
}
