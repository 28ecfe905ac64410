package records

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/avro"

	"github.com/lakeflow/lakeflow/sources"
)

// BenchmarkDecode makes lines of records, on one processor.
func BenchmarkDecode(b *testing.B) {
	const n = 10_000
	avroText := `{"type":"record","name":"R","fields":[{"name":"order_id","type":"long"},{"name":"customer_id","type":"long"},{"name":"status","type":"string"},{"name":"amount","type":"double"},
		{"name":"currency","type":"string"},{"name":"ordered_at","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"country","type":"string"},{"name":"note","type":"string"},{"name":"qty","type":"long"}]}`
	schema := avro.MustParse(avroText)
	for _, format := range []string{"json", "avro", "string", "bytes"} {
		b.Run(format, func(b *testing.B) {
			f := Format{Format: format}
			if format == "avro" {
				f.Schema = avroText
			}
			r, err := New(Config{Value: f, Hints: orderColumns})
			if f.Format == "string" || f.Format == "bytes" {
				r, err = New(Config{Value: f})
			}
			if err != nil {
				b.Fatal(err)
			}
			all := make([]Record, n)
			for i := range all {
				all[i] = Record{Place: fmt.Appendf(nil, "0 0 %d 1714564800000 0", i), Value: order(i)}
				if format == "avro" {
					v := map[string]any{"order_id": int64(i), "customer_id": int64(i), "status": "shipped", "amount": 1.25, "currency": "EUR", "ordered_at": time.UnixMilli(1714564800000), "country": "DE", "note": strings.Repeat("x", 43), "qty": int64(3)}
					if all[i].Value, err = schema.Encode(v); err != nil {
						b.Fatal(err)
					}
				}
			}
			d := r.Spill(nil, b.TempDir(), Limits{}).writers[0].decoder
			var buf []byte
			for b.Loop() {
				buf = buf[:0]
				for i := range all {
					out, err := d.record(context.Background(), &all[i])
					if err != nil || out.odd || out.reason != "" {
						b.Fatalf("%+v, %v", out, err)
					}
					buf = appendLine(buf, &all[i], out)
				}
			}
			b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// order is a record of 208 bytes like those of an order feed.
func order(i int) []byte {
	return fmt.Appendf(nil, `{"order_id":%d,"customer_id":%d,"status":"shipped","amount":%d.25,"currency":"EUR","ordered_at":"2024-05-%02dT12:00:00Z","country":"DE","note":%q,"qty":%d}`,
		1_000_000+i, 10_000+i%1000, 100+i%500, 1+i%28, strings.Repeat("x", 43), i%10)
}

var orderColumns = []sources.Hint{{Name: "order_id", Type: "BIGINT"}, {Name: "customer_id", Type: "BIGINT"}, {Name: "status", Type: "VARCHAR"}, {Name: "amount", Type: "DOUBLE"},
	{Name: "currency", Type: "VARCHAR"}, {Name: "ordered_at", Type: "TIMESTAMPTZ"}, {Name: "country", Type: "VARCHAR"}, {Name: "note", Type: "VARCHAR"}, {Name: "qty", Type: "BIGINT"}}
