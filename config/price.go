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
func (t Tx) Price() (float64, error) { return parsePrice(t.GasPrice) }

// MaxPrice is the most that is paid when nodes ask for more, in uPOKT.
func (t Tx) MaxPrice() (float64, error) { return parsePrice(t.MaxGasPrice) }

func parsePrice(text string) (float64, error) {
	number, ok := strings.CutSuffix(text, feeDenom)
	price, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(price >= 0) || math.IsInf(price, 0) {
		return 0, fmt.Errorf("%q is not a price such as 0.001%s", text, feeDenom)
	}
	return price, nil
}
