package files

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources/sourcetest"
)

// parquetSeeds are small files with many types and encodings.
func parquetSeeds(t testing.TB, b *bed) []string {
	var seeds []string
	for i, query := range []string{
		"SELECT i AS id, 'n' || i % 3 AS name, CASE WHEN i % 2 = 0 THEN i / 3 END AS part FROM range(20) r(i)",
		"SELECT {'a': i, 'b': ['x', NULL, 'y' || i]} AS s, MAP{'k': i} AS m, [[i], []] AS l FROM range(5) r(i)",
		"SELECT 1.25::DECIMAL(30,2) AS d, uuid() AS u, TIMESTAMP_NS '2024-01-31 10:00:00.123456789' AS ns, INTERVAL 1 DAY AS iv, true AS t, 'a'::BLOB AS b, 5::UBIGINT AS ub, DATE '2024-01-31' AS day",
		"SELECT {'a': 1, 'b': ['x', NULL]}::VARIANT AS v, '{\"x\": 1}'::JSON AS j, 'POINT(1 2)'::GEOMETRY AS g",
		"SELECT 1 AS a WHERE false",
	} {
		for _, options := range []string{"", ", PARQUET_VERSION v2, COMPRESSION zstd", ", COMPRESSION gzip, DICTIONARY_SIZE_LIMIT 1"} {
			path := filepath.Join(b.dir, fmt.Sprintf("seed%d", i))
			b.must(fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet%s)", query, quote.Text(path), options))
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			seeds = append(seeds, string(content))
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"null.parquet", "decimal40.parquet", "variant.parquet"} {
		content, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		seeds = append(seeds, string(content))
	}
	return seeds
}

// readBeside reads a file beside a sound one, whose row must be there whatever the other one is, as must be the outcome
// of a next update.
func (b *bed) readBeside(content string) error {
	b.marks, b.pos = sourcetest.MemMarks{}, nil
	b.put("odd.parquet", content)
	if _, err := os.Stat(filepath.Join(b.dir, "sound.parquet")); err != nil {
		b.write("sound.parquet", "SELECT 4711 AS sound")
	}
	s := b.source("parquet", func(c *Config) { c.Hints = []Hint{{"sound", "INTEGER"}} })
	batch, err := s.Next(b.t.Context(), b.session, nil, b.marks)
	if err != nil {
		return fmt.Errorf("next: %w", err)
	}
	for range 5 {
		columns := "count(*) FILTER (WHERE sound = 4711), bit_xor(hash(r))"
		rows, err := b.query("SELECT " + columns + " FROM " + batch.Relation + " AS r")
		if err == nil {
			if !strings.HasPrefix(rows, "1|") {
				return fmt.Errorf("the row of the sound file is missing: %s", rows)
			}
			b.commit(batch)
			again, err := s.Next(b.t.Context(), b.session, b.pos, b.marks)
			if err != nil || again != nil {
				return fmt.Errorf("the next update: %v, %v", again, err)
			}
			return nil
		}
		repaired, fault := batch.Repair(b.t.Context(), b.session, err)
		if fault != nil || repaired == nil {
			return fmt.Errorf("not repaired: %w, %w", err, fault)
		}
		batch = repaired
	}
	return fmt.Errorf("repaired too often")
}

// damage flips bytes of a file, puts others in, or cuts it off; footers are hit as often as pages.
func damage(random *rand.Rand, content string) string {
	b := []byte(content)
	at := func() int {
		if len(b) > 12 && random.IntN(2) == 0 {
			footer := int(b[len(b)-8]) | int(b[len(b)-7])<<8
			return max(0, len(b)-8-random.IntN(max(1, min(footer, len(b)-8))))
		}
		return random.IntN(len(b))
	}
	for range 1 + random.IntN(4) {
		switch i := at(); random.IntN(6) {
		case 0:
			b[i] ^= 1 << random.IntN(8)
		case 1:
			b[i] = byte(random.IntN(256))
		case 2:
			b[i] = []byte{0, 0xff, 0x7f, 0x80}[random.IntN(4)]
		case 3:
			b[i]++
		case 4:
			b[i]--
		case 5:
			if random.IntN(4) == 0 {
				b = b[:i+1]
			}
		}
	}
	return string(b)
}

// TestDamagedParquet reads damaged files beside sound ones.
func TestDamagedParquet(t *testing.T) {
	b := newBed(t, "memory_limit = '500MB'", "threads = 1")
	seeds := parquetSeeds(t, b)
	random := rand.New(rand.NewPCG(1, 4))
	for i := range 400 {
		content := seeds[random.IntN(len(seeds))]
		if i < len(seeds) {
			content = seeds[i]
		} else {
			content = damage(random, content)
		}
		if err := b.readBeside(content); err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
	}
}

// FuzzParquet is TestDamagedParquet for go test -fuzz.
func FuzzParquet(f *testing.F) {
	for _, seed := range parquetSeeds(f, newBed(f)) {
		f.Add([]byte(seed))
	}
	b := newBed(f, "memory_limit = '500MB'", "threads = 1")
	f.Fuzz(func(t *testing.T, content []byte) {
		b.t = t
		if err := b.readBeside(string(content)); err != nil {
			t.Error(err)
		}
	})
}
