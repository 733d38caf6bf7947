// Package ledger is what became of every session: kept on disk once the group has
// forgotten it, told in numbers that must add up, and explained to people.
package ledger
