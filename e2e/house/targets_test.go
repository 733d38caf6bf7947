package house_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A target that is named without a rule does nothing, and says so only in passing.
func TestTargetsHaveRules(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	rules := make(map[string]bool)
	for _, match := range regexp.MustCompile(`(?m)^([a-z][a-z-]*):`).FindAllSubmatch(makefile, -1) {
		rules[string(match[1])] = true
	}
	for _, match := range regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindAllSubmatch(makefile, -1) {
		for target := range strings.FieldsSeq(string(match[1])) {
			if !rules[target] {
				t.Errorf("Makefile: %s is .PHONY and has no rule", target)
			}
		}
	}
	named := regexp.MustCompile("`make ([a-z][a-z-]*)")
	for file := range strings.FieldsSeq(run(t, "git", "ls-files", "*.md")) {
		text, err := os.ReadFile(filepath.Join(root(t), file))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range named.FindAllSubmatch(text, -1) {
			if !rules[string(match[1])] {
				t.Errorf("%s names `make %s`, which does not exist", file, match[1])
			}
		}
	}
}
