package files

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// markList yields marks that are made beforehand, in key order.
type markList []sources.LedgerEntry

func (m markList) All(context.Context) iter.Seq2[sources.LedgerEntry, error] {
	return func(yield func(sources.LedgerEntry, error) bool) {
		for _, mark := range m {
			if !yield(mark, nil) {
				return
			}
		}
	}
}

// BenchmarkNothingNew is a Next over a million files that were all read before: from a position that knows them, and
// from one that does not, which takes the ledger.
func BenchmarkNothingNew(b *testing.B) {
	const n = 1_000_000
	dir := b.TempDir()
	marks := make(markList, n)
	var st state
	for i := range n {
		name := fmt.Sprintf("orders-2024-%07d.json", i)
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			b.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
		m := mark{0, info.ModTime().UnixNano(), taken}
		marks[i] = sources.LedgerEntry{Key: name, Value: m.String()}
		st.Read.toggle(name, m)
	}
	level, err := st.encode()
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Options: Options{Path: dir, Format: "json"}})
	if err != nil {
		b.Fatal(err)
	}
	for name, pos := range map[string]sources.Position{"position": level, "ledger": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				batch, err := s.Next(context.Background(), sources.Session{}, pos, marks)
				if err != nil || batch != nil {
					b.Fatalf("batch %+v, error %v", batch, err)
				}
			}
		})
	}
}

// BenchmarkKeys looks for unknown keys in records like those of an order feed, and infers their columns.
func BenchmarkKeys(b *testing.B) {
	var content strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&content, `{"order_id": %d, "customer_id": %d, "status": "shipped", "amount": %d.25, "currency": "EUR", "ordered_at": "2024-05-%02dT12:00:00Z", "country": "DE", "note": %q, "qty": %d}`+"\n",
			i, i%1000, i%500, 1+i%28, strings.Repeat("x", 40), i%10)
	}
	array := "[" + strings.ReplaceAll(strings.TrimSpace(content.String()), "\n", ",\n") + "]"
	root := jsonrecords.NewTree(tableOf(b, `order_id BIGINT, customer_id BIGINT, status VARCHAR, amount DOUBLE, currency VARCHAR, ordered_at TIMESTAMP, country VARCHAR, note VARCHAR, qty BIGINT`))
	for kind, text := range map[jsonKind]string{jsonLines: content.String(), jsonArray: array} {
		path := filepath.Join(b.TempDir(), "orders.json")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		b.Run(map[jsonKind]string{jsonLines: "lines inferred", jsonArray: "array inferred"}[kind], func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var s jsonrecords.Shape
				if err := readRecords(path, "", kind, func(r record) bool { return s.Add(r.raw).Whole }); err != nil || s.Empty() {
					b.Fatal(err)
				}
			}
		})
		b.Run(map[jsonKind]string{jsonLines: "lines", jsonArray: "array"}[kind], func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				var s jsonrecords.Scanner
				if err := readRecords(path, "", kind, func(r record) bool { return len(s.Scan(r.raw, root).Unknown) == 0 }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func tableOf(t testing.TB, text string) schemas.Table {
	t.Helper()
	typ, err := schemas.Parse("STRUCT(" + text + ")")
	if err != nil {
		t.Fatal(err)
	}
	return typ.Fields
}
