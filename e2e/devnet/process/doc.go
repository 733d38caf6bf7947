// Package process runs child processes that tests kill: it keeps how a child
// was started, so that a killed one can be started again the same way.
package process
