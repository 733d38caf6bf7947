// Package pool decides which of several equal backends gets the next request, and
// which get none: those that fail in a row, those that do not pass a check, and
// those whose head lags. It knows nothing of how a backend is spoken to.
package pool
