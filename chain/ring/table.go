package ring

// A window table holds every multiple of a point that a scalar's windows can
// ask for, so that multiplying is adding one entry per window and no doubling.
// Windows have signed digits, which halves the entries.

// table is a window table: entry (i, d) is d * 2^(i*width) * P, for every window
// i and digit 1 <= d <= 2^(width-1).
type table struct {
	width   uint
	entries []affine
}

// scalarBits is the length of a halved scalar.
const scalarBits = 255

// tableWindows is the number of windows: one more bit, for the carry that signed
// digits push out of the top.
func tableWindows(width uint) int { return (scalarBits + 1 + int(width) - 1) / int(width) }

// affineBytes is the memory of one entry.
const affineBytes = 64

// tableBytes is the memory of a table.
func tableBytes(width uint) int { return tableWindows(width) << (width - 1) * affineBytes }

func newTable(p affine, width uint) *table {
	half := 1 << (width - 1)
	t := &table{width: width, entries: make([]affine, tableWindows(width)*half)}
	sums := make([]sum, half+1)
	row := make([]affine, half+1)
	base := p
	for at := 0; at < len(t.entries); at += half {
		sums[0].set(&base)
		for d := 1; d < half; d++ {
			sums[d] = sums[d-1]
			sums[d].add(&base)
		}
		// The next window's base is twice the largest digit of this one.
		sums[half] = sums[half-1]
		sums[half].double()
		normalize(sums, row)
		copy(t.entries[at:], row[:half])
		base = row[half]
	}
	return t
}

// mostWindows is the number of windows of the narrowest tables there are.
const mostWindows = (scalarBits + hotWidth) / hotWidth

// addTo adds k * P to the sum. The entries are gathered before any is added:
// they are strewn over more memory than the caches next to a core hold, and this
// way the processor fetches many at a time.
func (t *table) addTo(s *sum, k *scalar) {
	var gathered [mostWindows]affine
	for i := range t.gather(&gathered, k) {
		s.add(&gathered[i])
	}
}

// gather finds the points whose sum is k * P, and returns how many there are.
func (t *table) gather(out *[mostWindows]affine, k *scalar) (n int) {
	h, negative := k.halved()
	half := 1 << (t.width - 1)
	carry := 0
	for at, bit := 0, uint(0); at < len(t.entries); at, bit = at+half, bit+t.width {
		digit := h.window(bit, t.width) + carry
		carry = 0
		if digit > half {
			digit -= 2 * half
			carry = 1
		}
		if digit == 0 {
			continue
		}
		out[n] = t.entries[at+abs(digit)-1]
		if (digit < 0) != negative {
			out[n].y.neg(&out[n].y)
		}
		n++
	}
	return n
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// window returns width bits of s from bit on.
func (s *scalar) window(bit, width uint) int {
	word, offset := bit/64, bit%64
	v := s[word] >> offset
	if offset+width > 64 && word < 3 {
		v |= s[word+1] << (64 - offset)
	}
	return int(v & (1<<width - 1))
}
