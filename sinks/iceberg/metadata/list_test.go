package metadata

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestItems: a list is cut where encoding/json cuts it.
func TestItems(t *testing.T) {
	texts := rapid.StringOfN(rapid.RuneFrom([]rune(`a"\[]{},: é`)), 0, 8, -1)
	item := rapid.OneOf(
		rapid.SampledFrom([]any{nil, true, 1.5, []any{}, map[string]any{}, "\\", "\""}),
		rapid.Map(texts, func(s string) any { return s }),
		rapid.Map(rapid.MapOf(texts, texts), func(m map[string]string) any { return m }),
		rapid.Map(rapid.SliceOf(rapid.SliceOf(texts)), func(l [][]string) any { return l }),
	)
	rapid.Check(t, func(t *rapid.T) {
		text, err := json.Marshal(rapid.SliceOf(item).Draw(t, "items"))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "indented") {
			var out bytes.Buffer
			if err := json.Indent(&out, text, " ", "\t"); err != nil {
				t.Fatal(err)
			}
			text = out.Bytes()
		}
		var want []json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		got := items(text)
		if len(got) != len(want) {
			t.Fatalf("%d items of %d: %s", len(got), len(want), text)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Errorf("item %d is %s, not %s", i, got[i], want[i])
			}
		}
	})
}

// BenchmarkParse reads the metadata of a table with a hundred snapshots, whose summaries hold the positions of 20
// tables: an update that finds nothing new does so once.
func BenchmarkParse(b *testing.B) {
	positions, err := json.Marshal(strings.Repeat(`{"table":"t","at":12},`, 200))
	if err != nil {
		b.Fatal(err)
	}
	var snapshots, log []string
	for i := 1; i <= 100; i++ {
		snapshots = append(snapshots, fmt.Sprintf(`{"snapshot-id":%d,"sequence-number":%[1]d,"timestamp-ms":%[1]d,"manifest-list":"m","schema-id":0,`+
			`"summary":{"operation":"append","lakeflow.positions":%s}}`, i, positions))
		log = append(log, fmt.Sprintf(`{"snapshot-id":%d,"timestamp-ms":%[1]d}`, i))
	}
	content := fmt.Appendf(nil, `{"format-version":2,"table-uuid":"9c12d441-03fe-4693-9a96-a0705ddf69c1","location":"l","last-sequence-number":100,
		"last-updated-ms":100,"last-column-id":1,"current-schema-id":0,"default-spec-id":0,"last-partition-id":999,"default-sort-order-id":0,
		"schemas":[{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"a","required":false,"type":"long"}]}],
		"partition-specs":[{"spec-id":0,"fields":[]}],"sort-orders":[{"order-id":0,"fields":[]}],"current-snapshot-id":100,
		"snapshots":[%s],"snapshot-log":[%s]}`, strings.Join(snapshots, ","), strings.Join(log, ","))
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, err := Parse(content); err != nil {
			b.Fatal(err)
		}
	}
}
