package main

import (
	"bytes"
	"strings"
	"testing"
)

// sample has a field of every sort that rows have.
type sample struct {
	Name    string            `json:"name"`
	WaitMS  int64             `json:"wait_ms"`
	TimeMS  float64           `json:"time_ms"`
	Known   *uint64           `json:"known"`
	Parts   []string          `json:"parts"`
	Counts  map[string]uint32 `json:"counts"`
	Yes     bool              `json:"yes_or_no"`
	Bulky   string            `json:"bulky" table:"-"`
	private string
}

func TestFormats(t *testing.T) {
	seven := uint64(7)
	rows := []sample{
		{"a,b", 1500, 0.25, &seven, []string{"x", "y"}, map[string]uint32{"sealed": 2, "active": 1}, true, "b", "p"},
		{"", -1, 0, nil, nil, nil, false, "", "p"},
	}
	want := map[string]string{
		formatCSV: "name,wait_ms,time_ms,known,parts,counts,yes_or_no,bulky\n" +
			"\"a,b\",1500,0.25,7,x;y,active=1;sealed=2,true,b\n" +
			",-1,0,,,,false,\n",
		formatLines: `{"name":"a,b","wait_ms":1500,"time_ms":0.25,"known":7,"parts":["x","y"],"counts":{"active":1,"sealed":2},"yes_or_no":true,"bulky":"b"}` + "\n" +
			`{"name":"","wait_ms":-1,"time_ms":0,"known":null,"parts":null,"counts":null,"yes_or_no":false,"bulky":""}` + "\n",
		formatTable: strings.TrimLeft(`
┌──────┬───────┬───────┬───────┬───────┬────────────────────┬───────────┐
│ name │ wait  │ time  │ known │ parts │ counts             │ yes or no │
├──────┼───────┼───────┼───────┼───────┼────────────────────┼───────────┤
│ a,b  │ 1.5s  │ 250µs │ 7     │ x, y  │ active=1, sealed=2 │ yes       │
│ -    │ never │ 0s    │ -     │ -     │ -                  │ no        │
└──────┴───────┴───────┴───────┴───────┴────────────────────┴───────────┘
`, "\n"),
	}
	for format, text := range want {
		var out bytes.Buffer
		if err := list(printer{out: &out, format: format}, rows); err != nil || out.String() != text {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", format, err, out.String(), text)
		}
	}
}

// No rows are an empty list, not null and not nothing.
func TestNoRows(t *testing.T) {
	want := map[string]string{formatJSON: "[]\n", formatLines: "", formatCSV: "name,wait_ms,time_ms,known,parts,counts,yes_or_no,bulky\n"}
	for format, text := range want {
		var out bytes.Buffer
		if err := list[sample](printer{out: &out, format: format}, nil); err != nil || out.String() != text {
			t.Errorf("%s: %v, %q, want %q", format, err, out.String(), text)
		}
	}
}

func TestColourOnlyWhereItIsOfUse(t *testing.T) {
	for _, on := range []bool{false, true} {
		if got := (paint{on: on}).word("lost"); strings.Contains(got, "\x1b") != on {
			t.Errorf("colours %v: %q", on, got)
		}
	}
	if colourful(new(bytes.Buffer)) {
		t.Error("a file gets colours")
	}
}
