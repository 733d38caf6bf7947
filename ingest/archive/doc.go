// Package archive keeps the leaves of sealed trees in local files, from which
// they are proven when Redis has lost them.
package archive
