package files

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/sources"
)

// TestTrace looks up the record of every row in files that are written by chance, and parses it with other code than
// that which read the row.
func TestTrace(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for _, c := range []struct {
		format string
		write  func(*rand.Rand) string
		parse  func(raw string) (id, name string)
	}{
		{"json", jsonByChance, parseJSON},
		{"csv", csvByChance, parseCSV},
	} {
		t.Run(c.format, func(t *testing.T) {
			for range 20 {
				b := newBed(t)
				for i := range 1 + random.IntN(3) {
					b.put(fmt.Sprintf("%d.%s", i, c.format), c.write(random))
				}
				checkTrace(t, b, b.source(c.format, func(cfg *Config) { cfg.Name, cfg.Hints = "s", []Hint{{"id", "BIGINT"}, {"name", "VARCHAR"}} }), c.parse)
			}
		})
	}
}

// checkTrace compares the rows of a batch with those that are told apart, and each of these with what stands in its file.
func checkTrace(t *testing.T, b *bed, s *Source, parse func(string) (id, name string)) {
	t.Helper()
	batch := b.next(s)
	b.rows(batch) // repaired
	places, paths := map[int64]bool{}, map[string]string{}
	for _, p := range batch.Places {
		places[p.ID] = true
		paths[strconv.FormatInt(p.ID, 10)] = p.Name
	}
	found, err := batch.Trace(context.Background(), b.session, places)
	if err != nil {
		t.Fatal(err)
	}
	const row = `SELECT %s, id, hex(encode(name)), _metadata.file_name FROM %s ORDER BY ALL`
	wantText(t, "rows", b.must(fmt.Sprintf(row, "''", found.Relation)), b.must(fmt.Sprintf(row, "''", batch.Relation)))
	rows := b.must(`SELECT r.__lakeflow_place, f."offset", f.line, id, hex(encode(name)), hex(f.raw) FROM ` + found.Relation + ` r LEFT JOIN ` + found.Records +
		` f ON r.__lakeflow_place = f.place AND r.__lakeflow_position = f."offset"`)
	for line := range strings.Lines(rows) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		content, err := os.ReadFile(paths[cells[0]])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		raw, err := hex.DecodeString(cells[5])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		at, _ := strconv.Atoi(cells[1])
		number, _ := strconv.Atoi(cells[2])
		if !bytes.HasPrefix(content[at:], raw) || number != 1+bytes.Count(content[:at], []byte("\n")) {
			t.Errorf("%s: %q is said to be in line %d, at %d of\n%s", filepath.Base(paths[cells[0]]), raw, number, at, content)
		}
		if id, name := parse(string(raw)); id != cells[3] || name != cells[4] {
			t.Errorf("%q is said to be the record of %s, %s", raw, cells[3], cells[4])
		}
	}
}

// TestTraceBounded expects large files not to be read again, and nothing of files that are not asked for.
func TestTraceBounded(t *testing.T) {
	b := newBed(t)
	b.put("small.json", `{"id":1}`+"\n")
	b.put("other.json", `{"id":2}`+"\n")
	b.put("large.json", strings.Repeat(`{"id":3,"x":"`+strings.Repeat("x", 1000)+`"}`+"\n", maxTraced/1000))
	batch := b.next(b.source("json", func(c *Config) { c.Name, c.Evolution = "s", None; c.Hints = []Hint{{"id", "BIGINT"}} }))
	places := map[int64]bool{sources.PlaceID("s", "small.json"): true, sources.PlaceID("s", "large.json"): true}
	found, err := batch.Trace(context.Background(), b.session, places)
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "rows", b.must("SELECT id, __lakeflow_position FROM "+found.Relation), "1|0\n")
	delete(places, sources.PlaceID("s", "small.json"))
	if found, err = batch.Trace(context.Background(), b.session, places); found != nil || err != nil {
		t.Errorf("the large file alone: %v, %v", found, err)
	}
}

var nameParts = []string{"a", "ü", "\"", "\\", ",", "{", "}", "[1]", " ", "\t", "日本", "'", ":", "\u2028"}

func nameByChance(random *rand.Rand) string {
	var name strings.Builder
	for range random.IntN(4) {
		name.WriteString(nameParts[random.IntN(len(nameParts))])
	}
	return name.String()
}

func jsonByChance(random *rand.Rand) string {
	var out strings.Builder
	array := random.IntN(4) == 0
	if random.IntN(5) == 0 {
		out.WriteString("\ufeff")
	}
	if array {
		out.WriteString("[")
	}
	for i := range 1 + random.IntN(8) {
		if array && i > 0 {
			out.WriteString(",")
		}
		name, _ := json.Marshal(nameByChance(random))
		space := strings.Repeat(" ", random.IntN(3))
		switch random.IntN(10) {
		case 0:
			fmt.Fprintf(&out, `{"name":%s,%s"id":%d}`, name, space, random.IntN(3))
		case 1:
			fmt.Fprintf(&out, `{"id":"x%d"}`, i) // no BIGINT
		case 2:
			fmt.Fprintf(&out, `%s{%s}`, space, space)
		default:
			fmt.Fprintf(&out, `%s{%s"id":%d,"name":%s%s}%s`, space, space, random.IntN(3), name, space, space)
		}
		out.WriteString([]string{"\n", "\n", "\r\n", "\n\n", "\n  \n"}[random.IntN(5)])
	}
	if array {
		out.WriteString("]")
	}
	return out.String()
}

func parseJSON(raw string) (id, name string) {
	var v struct {
		ID   json.RawMessage
		Name *string
	}
	if json.Unmarshal([]byte(raw), &v) != nil {
		return "none", "none"
	}
	return textOr(string(v.ID), "NULL"), quoted(v.Name)
}

func csvByChance(random *rand.Rand) string {
	var out bytes.Buffer
	out.WriteString("name,id\n")
	for i := range 1 + random.IntN(8) {
		name := nameByChance(random)
		if random.IntN(3) == 0 {
			name += "\n" + nameByChance(random) + "."
		}
		id := strconv.Itoa(random.IntN(3))
		if random.IntN(6) == 0 {
			id = "x" + strconv.Itoa(i)
		}
		w := csv.NewWriter(&out)
		_ = w.Write([]string{"n" + name, id})
		w.Flush()
		if random.IntN(8) == 0 {
			out.WriteString("only one field\n")
		}
	}
	return out.String()
}

func parseCSV(raw string) (id, name string) {
	r := csv.NewReader(strings.NewReader(raw))
	fields, err := r.Read()
	if err != nil || len(fields) != 2 {
		return "none", "none"
	}
	return textOr(fields[1], "NULL"), quoted(&fields[0])
}

func textOr(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// quoted is a text as the hexadecimal digits of its bytes.
func quoted(s *string) string {
	if s == nil {
		return "NULL"
	}
	return strings.ToUpper(hex.EncodeToString([]byte(*s)))
}
