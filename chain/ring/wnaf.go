package ring

// Points that are not hot enough for a window table are multiplied by Straus'
// method: one chain of doublings for all of them, and an addition for every
// non-zero digit of each.

// Width of the digits: odd, up to 2^(wnafWidth-1) in size.
const (
	wnafWidth  = 5
	wnafPoints = 1 << (wnafWidth - 2)
)

// odds are the odd multiples P, 3P, 5P ... of a point.
type odds [wnafPoints]affine

func newOdds(p affine) *odds {
	var sums [wnafPoints]sum
	var twice [1]affine
	var double sum
	double.set(&p)
	double.double()
	normalize([]sum{double}, twice[:])
	sums[0].set(&p)
	for i := 1; i < wnafPoints; i++ {
		sums[i] = sums[i-1]
		sums[i].add(&twice[0])
	}
	out := new(odds)
	normalize(sums[:], out[:])
	return out
}

// digits is a scalar as odd signed digits and zeros, least significant first.
type digits [scalarBits + 2]int8

// recode writes k to d and returns how many digits it has.
func (d *digits) recode(k *scalar) int {
	h, negative := k.halved()
	length := 0
	carry := 0
	*d = digits{}
	for bit := 0; bit < len(d); {
		if h.bitAt(bit)+carry != 1 {
			bit++
			continue
		}
		digit := h.window(uint(bit), wnafWidth) + carry
		carry = 0
		if digit > 1<<(wnafWidth-1) {
			digit -= 1 << wnafWidth
			carry = 1
		}
		if negative {
			digit = -digit
		}
		d[bit] = int8(digit)
		length = bit + 1
		bit += wnafWidth
	}
	return length
}

func (s *scalar) bitAt(bit int) int {
	if bit >= 256 {
		return 0
	}
	return int(s[bit/64] >> (bit % 64) & 1)
}

// term is one product of a sum of products.
type term struct {
	points *odds
	digits digits
	length int
}

func (t *term) set(points *odds, k *scalar) {
	t.points = points
	t.length = t.digits.recode(k)
}

// straus adds the terms' sum to s.
func straus(s *sum, terms []term) {
	longest := 0
	for i := range terms {
		longest = max(longest, terms[i].length)
	}
	var acc sum
	for bit := longest - 1; bit >= 0; bit-- {
		acc.double()
		for i := range terms {
			switch digit := terms[i].digits[bit]; {
			case digit > 0:
				acc.add(&terms[i].points[digit/2])
			case digit < 0:
				minus := terms[i].points[-digit/2].negated()
				acc.add(&minus)
			}
		}
	}
	s.merge(&acc)
}
