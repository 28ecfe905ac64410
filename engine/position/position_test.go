package position_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/engine/position"
)

func TestEncode(t *testing.T) {
	odd := position.Key{Kind: position.Source, Table: `t.a/b*"é`, Flow: "rules", Input: "sink:x/y"}
	set := position.Set{
		odd: []byte(`{"n":[1,"é"]}`),
		{Kind: position.Upstream, Table: "rules", Flow: "f", Input: "t"}: position.AtCommit(7),
		{Kind: position.Whole, Table: "rules", Flow: "f", Input: "t"}:    position.AtCommit(9),
		{Kind: position.Rules, Table: "rules", Flow: "f"}:                []byte(`"hash"`),
		{Kind: position.Sink, Table: "t", Input: "s"}:                    position.AtCommit(3),
		{Kind: position.Source, Table: "u", Flow: "u", Input: "s"}:       position.Unread,
	}
	text, err := set.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := position.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(set, got); diff != "" {
		t.Error(diff)
	}
	if p := got.At(position.Key{Kind: position.Source, Table: "u", Flow: "u", Input: "s"}); p != nil {
		t.Errorf("an unread input is at %s", p)
	}
	if diff := cmp.Diff(map[string]int64{"t": 3}, got.Passed()); diff != "" {
		t.Error(diff)
	}
}

// What cannot be read is an error, never the beginning.
func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{"", "null,", "{}", `{"a/b":1}`, `[1]`, `[{"kind":"sources","table":"t","at":1}]`, `[{"kind":"source","table":"","at":1}]`,
		`[{"kind":"source","table":"t"}]`, `[{"kind":"upstream","table":"t","at":{"commit":-1}}]`, `[{"kind":"upstream","table":"t","at":{}}]`,
		`[{"kind":"upstream","table":"t","at":{"commit":"7"}}]`, `[{"kind":"sink","table":"t","at":null}]`,
		`[{"kind":"rules","table":"t","at":1},{"kind":"rules","table":"t","at":1}]`} {
		if set, err := position.Decode(text); err == nil {
			t.Errorf("%s was read as %v", text, set)
		}
	}
}

func TestMerged(t *testing.T) {
	a, b := position.Key{Kind: position.Rules, Table: "a"}, position.Key{Kind: position.Rules, Table: "b"}
	before := position.Set{a: []byte("1")}
	after := before.Merged(position.Set{a: nil, b: []byte("2")})
	if len(before) != 1 || len(after) != 1 || string(after[b]) != "2" {
		t.Errorf("%v became %v", before, after)
	}
	if s := a.String(); !strings.Contains(s, "rules of a") {
		t.Error(s)
	}
}
