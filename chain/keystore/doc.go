// Package keystore reads supplier operator keys from where operators keep them,
// and follows changes without ever taking a source that cannot be read for one.
package keystore
