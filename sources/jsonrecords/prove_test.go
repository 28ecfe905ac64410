package jsonrecords

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
)

func TestProve(t *testing.T) {
	table := schemas.Table{{Name: "id", Type: schemas.Type{Kind: schemas.BigInt}}, {Name: "it's", Type: schemas.Type{Kind: schemas.TimestampTZ}}}
	f := NewFitter(connect(t), table, FitOptions{})
	fitted := []Fitted{ // as they would be, were Fit wrong about them
		{Text: []byte(`{"id":1,"it's":"2024-01-01T10:00:00Z"}`)}, {Text: []byte(`{"id":2,"it's":"2024-01-01T10:00Z"}`)}, {Reason: "known"},
		{Text: []byte(`{"id":3,"it's":null}`)}, {Text: []byte(`{"id":"x","it's":"noon"}`)}, {Text: []byte(`{"id":5,"it's":`)}, {Text: []byte(`{}`)},
	}
	if err := f.Prove(context.Background(), fitted, filepath.Join(t.TempDir(), "proof[1].json")); err != nil {
		t.Fatal(err)
	}
	want := []string{"", `column it's: "2024-01-01T10:00Z" is not TIMESTAMP WITH TIME ZONE`, "known", "",
		`column id: "x" is not BIGINT; column it's: "noon" is not TIMESTAMP WITH TIME ZONE`, "the record can't be read with the columns of the source", ""}
	for i, one := range fitted {
		if one.Reason != want[i] {
			t.Errorf("%d: %q, want %q", i, one.Reason, want[i])
		}
	}
}
