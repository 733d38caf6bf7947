// Package house holds the rules of the repository that can be tested.
package house
