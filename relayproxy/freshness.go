package relayproxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// errNoHead is an answer that does not tell a height where it should.
var errNoHead = errors.New("the answer has no block height")

// head asks the backend for its newest block.
func (u *upstream) head(ctx context.Context, f *Freshness) (uint64, error) {
	p := probe{path: f.Path}
	if f.RPCMethod != "" {
		p.body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":[]}`, f.RPCMethod)
	}
	status, body, err := u.query(ctx, p)
	if err != nil {
		return 0, err
	}
	if status/100 != 2 {
		return 0, fmt.Errorf("%w: status %d", errNoHead, status)
	}
	return height(body, f.Field)
}

// height reads a block height from a field of a JSON answer, with dots between the
// names: a number, or text with one, in decimal or in hex with 0x.
func height(answer []byte, field string) (uint64, error) {
	decoder := json.NewDecoder(bytes.NewReader(answer))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return 0, fmt.Errorf("%w: %w", errNoHead, err)
	}
	for name := range strings.SplitSeq(field, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return 0, fmt.Errorf("%w: nothing at %s", errNoHead, field)
		}
		value = object[name]
	}
	var text string
	switch v := value.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	digits, base := text, 10
	if hex, ok := strings.CutPrefix(text, "0x"); ok {
		digits, base = hex, 16
	}
	number, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %s is not a number", errNoHead, field)
	}
	return number, nil
}
