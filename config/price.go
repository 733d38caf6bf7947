package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// feeDenom is what fees are paid in.
const feeDenom = "upokt"

// Price is the gas price in uPOKT.
func (t Tx) Price() (float64, error) {
	number, ok := strings.CutSuffix(t.GasPrice, feeDenom)
	price, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(price >= 0) || math.IsInf(price, 0) {
		return 0, fmt.Errorf("%q is not a price such as 0.001%s", t.GasPrice, feeDenom)
	}
	return price, nil
}
