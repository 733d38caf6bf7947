// Package certificate serves the TLS certificate that is in files, and follows them:
// a renewed one counts without a restart.
package certificate
