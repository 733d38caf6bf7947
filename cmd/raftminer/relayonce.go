package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// relayRow is what came of one relay.
type relayRow struct {
	Supplier string `json:"supplier"`
	URL      string `json:"url"`
	Outcome  string `json:"outcome"` // ok, or what is wrong
	Status   uint32 `json:"status"`  // the backend's
	Answers  int    `json:"answers"`
	Mined    bool   `json:"mined"` // the relay counts: its hash meets the difficulty
	relayTimes
}

// relayOutput is a row with what the backend said.
type relayOutput struct {
	relayRow
	Body []string `json:"body"` // one for each answer; hex digits if it is no text
}

// runOnce sends one relay to each supplier.
func runOnce(cmd *cobra.Command, s *relaySender) error {
	session, err := s.sessions.get(cmd.Context(), nil)
	if err != nil {
		return err
	}
	suppliers, err := s.options.suppliers(session)
	if err != nil {
		return err
	}
	var rows []relayRow
	var outputs []relayOutput
	failed := 0
	for n, supplier := range suppliers {
		d, err := s.send(cmd.Context(), n, only(supplier))
		d.supplier = supplier
		if err != nil {
			failed++
		}
		out := d.output(err)
		rows, outputs = append(rows, out.relayRow), append(outputs, out)
	}
	if s.options.output == "json" {
		err = show(cmd, s.options.output, outputs)
	} else {
		err = showRelays(cmd, rows, outputs)
	}
	switch {
	case err != nil:
		return err
	case failed == len(suppliers):
		return errRelayFailed
	case failed > 0:
		return errSomeDidFail
	}
	return nil
}

// showRelays tells the bodies first: they have no room in a table.
func showRelays(cmd *cobra.Command, rows []relayRow, outputs []relayOutput) error {
	for _, o := range outputs {
		for _, body := range o.Body {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", o.Supplier, strings.TrimRight(body, "\n"))
		}
	}
	return show(cmd, "table", rows)
}

func (d *delivery) output(err error) relayOutput {
	out := relayOutput{relayRow: relayRow{Supplier: d.supplier, URL: d.url, Outcome: "ok", Answers: len(d.answers), relayTimes: d.times}}
	for _, a := range d.answers {
		out.Mined = a.Mined
		payload := a.Response.Payload
		if d.kind.name != "websocket" {
			res, wrong := a.HTTP()
			if err = errors.Join(err, wrong); wrong != nil {
				break
			}
			payload, out.Status = res.BodyBz, res.StatusCode
		}
		out.Body = append(out.Body, readable(payload))
	}
	if err != nil {
		out.Outcome = err.Error()
	}
	return out
}

// readable is text as it is, and anything else in hex digits.
func readable(b []byte) string {
	isControl := func(r rune) bool { return unicode.IsControl(r) && !unicode.IsSpace(r) }
	if utf8.Valid(b) && bytes.IndexFunc(b, isControl) < 0 {
		return string(b)
	}
	return hex.EncodeToString(b)
}
