package config

import (
	"fmt"

	"github.com/agnivade/levenshtein"
)

// maxTypos is how far a word may be from a known one to be taken for it; a
// short word may differ in about half of its letters, as two swapped ones do.
const maxTypos = 3

// didYouMean names the known word that is nearest, if one is near.
func didYouMean(word string, known []string) string {
	best, distance := "", maxTypos+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(word, k); d < distance && 2*d <= len(k)+1 {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
