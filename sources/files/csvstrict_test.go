package files

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/schemas"
)

// TestStrictReadsNoNull gives texts that may be no values to the strict read, without the look that keeps them from it:
// it fails or has a value, and never makes NULL of them.
func TestStrictReadsNoNull(t *testing.T) {
	b := newBed(t)
	random := rand.New(rand.NewPCG(3, 4))
	texts := []string{"epoch", "now", "x", "-", "é", `\x41`, `\xZZ`, "true", "nan", "1e999", "12345678901234567890123", "{}", "2024-01-31T10:00Z", "2024-01-31 10:00+02", "2024-01-31T10:00:00 +02", "2024-02-30"}
	pieces := []string{"0", "1", "59", "007", "-", "+", ".", "e", "99999", "2024-01-31", "T", " ", "10:00", ":30", "Z", "+02:00", "+02", "true", "x", ".5", ".1234567"}
	for range 60 {
		text := ""
		for range 1 + random.IntN(4) {
			text += pieces[random.IntN(len(pieces))]
		}
		texts = append(texts, text)
	}
	d := dialect{Delimiter: ",", Quote: `"`, Escape: `"`}
	var files []*file
	for i, text := range texts {
		name := fmt.Sprintf("%d.csv", i)
		files = append(files, &file{entry: entry{rel: name}, path: b.put(name, text+"\n"), header: []string{"v"}})
	}
	for _, typ := range []string{"BIGINT", "INTEGER", "DECIMAL(5,2)", "DOUBLE", "FLOAT", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "VARCHAR", "BLOB", "UUID"} {
		s := b.source("csv", func(c *Config) { c.Hints = []Hint{{"v", typ}} })
		parsed, err := schemas.Parse(typ)
		if err != nil {
			t.Fatal(err)
		}
		w := &work{src: s, session: b.session, state: state{Schema: schemas.Table{{Name: "v", Type: parsed}}, CSV: &d}}
		for i, f := range files {
			var n int
			err := b.session.Conn.QueryRowContext(t.Context(), "SELECT count(*) FROM "+csvFormat{}.strict(w, []*file{f})+" WHERE v IS NULL").Scan(&n)
			if err == nil && n > 0 && strings.Trim(texts[i], " ") != "" {
				t.Errorf("%s: %q is NULL", typ, texts[i])
			}
		}
	}
}
