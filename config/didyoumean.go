package config

import (
	"fmt"

	"github.com/agnivade/levenshtein"
)

// maxTypos is how far a word may be from a known one to be taken for it; a
// short word may differ in less than half of its letters.
const maxTypos = 3

// didYouMean names the known word that is nearest, if one is near.
func didYouMean(word string, known []string) string {
	best, distance := "", maxTypos+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(word, k); d < distance && 2*d <= len(k) {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}
