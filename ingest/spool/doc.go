// Package spool keeps what a relayer has published until its sessions are
// closed, and publishes it again when Redis may have lost it.
package spool
