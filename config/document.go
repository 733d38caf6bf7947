package config

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// maxAliases bounds a chain of aliases, which may lead back to its start.
const maxAliases = 8

// document is the YAML tree of a file with its anchors.
type document struct {
	body    ast.Node // nil when the file is empty
	anchors map[string]ast.Node
}

// parseDocument reads the one document of a file. What is wrong with its syntax
// is told without quoting the file, which may hold secrets.
func parseDocument(bz []byte) (doc document, problem *Problem) {
	file, err := parser.ParseBytes(bz, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return document{}, syntaxProblem(err)
	}
	doc.anchors = make(map[string]ast.Node)
	for _, d := range file.Docs {
		switch {
		case d.Body == nil:
		case doc.body == nil:
			doc.body = d.Body
		default:
			problem = &Problem{Position: position(d.Body.GetToken()), Message: "a second document: one file is one document"}
		}
	}
	if doc.body != nil {
		ast.Walk(anchorVisitor(doc.anchors), doc.body)
	}
	return doc, problem
}

func syntaxProblem(err error) *Problem {
	p := &Problem{Message: "is not YAML"}
	var located yaml.Error
	if errors.As(err, &located) {
		p.Position = position(located.GetToken())
		p.Message = "is not YAML: " + located.GetMessage()
	}
	return p
}

func position(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{}
	}
	return Position{Line: t.Position.Line, Column: t.Position.Column}
}

type anchorVisitor map[string]ast.Node

// Visit records an anchor.
func (v anchorVisitor) Visit(node ast.Node) ast.Visitor {
	if a, ok := node.(*ast.AnchorNode); ok && a.Name != nil && a.Value != nil {
		v[a.Name.GetToken().Value] = a.Value
	}
	return v
}

// value is what node stands for: aliases are followed, anchors and tags are
// taken off.
func (d document) value(node ast.Node) (ast.Node, error) {
	for range maxAliases {
		switch n := node.(type) {
		case *ast.AnchorNode:
			node = n.Value
		case *ast.TagNode:
			node = n.Value
		case *ast.AliasNode:
			name := n.Value.GetToken().Value
			anchored, ok := d.anchors[name]
			if !ok {
				return nil, fmt.Errorf("no anchor is called %q", name)
			}
			node = anchored
		default:
			return node, nil
		}
	}
	return nil, errors.New("an alias of itself")
}
