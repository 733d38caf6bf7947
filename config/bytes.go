package config

import (
	"math"

	"github.com/dustin/go-humanize"
)

// Bytes is a size, written as 20MB, 512KiB or a plain number.
type Bytes uint64

// maxBytes keeps a size within what every platform can count.
const maxBytes = math.MaxInt32

// String is the size as a person writes it, exact.
func (b Bytes) String() string {
	for _, unit := range []struct {
		size Bytes
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if b >= unit.size && b%unit.size == 0 {
			return humanize.Comma(int64(b/unit.size)) + unit.name
		}
	}
	return humanize.Comma(int64(b)) + "B"
}

func parseBytes(text string) (Bytes, bool) {
	n, err := humanize.ParseBytes(text)
	return Bytes(n), err == nil && n <= maxBytes
}
