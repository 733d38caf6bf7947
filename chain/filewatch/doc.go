// Package filewatch tells when files have changed.
package filewatch
