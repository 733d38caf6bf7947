// Package config reads the YAML file of relayers and miners: strictly, with
// every problem of a file in one pass and each at its line.
package config
