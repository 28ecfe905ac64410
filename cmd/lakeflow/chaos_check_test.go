package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/twmb/franz-go/pkg/kgo"
)

// The rows of the tables, as they are in the files.
type (
	bronzeRow struct {
		N      *int64  `parquet:"n,optional"`
		Hash   *string `parquet:"h,optional"`
		Amount *int64  `parquet:"amount,optional"`
		Key    *string `parquet:"k,optional"`
		P      *int32  `parquet:"p,optional"`
		O      *int64  `parquet:"o,optional"`
	}
	silverRow struct {
		N      *int64  `parquet:"n,optional"`
		Hash   *string `parquet:"h,optional"`
		Amount *int64  `parquet:"amount,optional"`
		Note   *int32  `parquet:"note,optional"`
		Key    *string `parquet:"k,optional"`
	}
	letterRow struct {
		Table     *string `parquet:"table,optional"`
		Error     *string `parquet:"error,optional"`
		Row       *string `parquet:"row,optional"`
		Raw       []byte  `parquet:"raw,optional"`
		Partition *int32  `parquet:"partition,optional"`
		Offset    *int64  `parquet:"offset,optional"`
	}
	goldRow struct {
		Digit   *int64 `parquet:"digit,optional"`
		Rows    *int64 `parquet:"rows,optional"`
		Amount  *int64 `parquet:"amount,optional"`
		Numbers *int64 `parquet:"numbers,optional"`
	}
	removedRow struct {
		Path *string `parquet:"file_path,optional"`
		Pos  *int64  `parquet:"pos,optional"`
	}
)

// place is where a row is stored.
type place struct {
	location string
	pos      int64
}

// readLake reads a table past lakeflow: the catalog's pointer, iceberg-go for the manifests, and parquet-go for the
// rows.
func readLake[T any](c *chaos, name string, take func(T)) {
	c.t.Helper()
	ctx := c.t.Context()
	db, err := sql.Open("sqlite", "file:"+url.PathEscape(filepath.Join(c.dir, "warehouse", "catalog.db"))+"?mode=ro")
	if err != nil {
		c.t.Fatal(err)
	}
	defer db.Close()
	var location string
	if err := db.QueryRowContext(ctx, "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = 'chaos' AND table_name = ?", name).Scan(&location); err != nil {
		c.t.Fatalf("look %s up in the catalog: %v", name, err)
	}
	files, err := dataFiles(location)
	if err != nil {
		c.t.Fatalf("read %s: %v", name, err)
	}
	removed := map[place]bool{}
	for _, file := range files {
		if file.ContentType() == iceberg.EntryContentPosDeletes {
			for _, r := range fileRows[removedRow](c, file) {
				removed[place{*r.Path, *r.Pos}] = true
			}
		}
	}
	for _, file := range files {
		if file.ContentType() != iceberg.EntryContentData {
			continue
		}
		for i, r := range fileRows[T](c, file) {
			if !removed[place{file.FilePath(), int64(i)}] {
				take(r)
			}
		}
	}
}

// fileRows are the rows of a file, in its order.
func fileRows[T any](c *chaos, file iceberg.DataFile) []T {
	c.t.Helper()
	rows, err := parquet.ReadFile[T](strings.TrimPrefix(file.FilePath(), "file://"))
	if err != nil || int64(len(rows)) != file.Count() {
		c.t.Fatalf("read %s: %d rows of %d, %v", file.FilePath(), len(rows), file.Count(), err)
	}
	return rows
}

// dataFiles lists the files of a table's current snapshot, those that name removed rows too.
func dataFiles(location string) ([]iceberg.DataFile, error) {
	content, err := os.ReadFile(strings.TrimPrefix(location, "file://"))
	if err != nil {
		return nil, err
	}
	var table struct {
		Current   int64 `json:"current-snapshot-id"`
		Snapshots []struct {
			ID   int64  `json:"snapshot-id"`
			List string `json:"manifest-list"`
		}
	}
	if err := json.Unmarshal(content, &table); err != nil {
		return nil, err
	}
	for _, s := range table.Snapshots {
		if s.ID == table.Current {
			return filesOfList(s.List)
		}
	}
	return nil, fmt.Errorf("snapshot %d is not there", table.Current)
}

// filesOfList lists the files in the manifests of a manifest list.
func filesOfList(location string) ([]iceberg.DataFile, error) {
	content, err := os.ReadFile(strings.TrimPrefix(location, "file://"))
	if err != nil {
		return nil, err
	}
	manifests, err := iceberg.ReadManifestList(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	var files []iceberg.DataFile
	for _, m := range manifests {
		content, err := os.ReadFile(strings.TrimPrefix(m.FilePath(), "file://"))
		if err != nil {
			return nil, err
		}
		entries, err := iceberg.ReadManifest(m, bytes.NewReader(content), true)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			files = append(files, e.DataFile())
		}
	}
	return files, nil
}

// fromJSON is nil of a tombstone, whose row is NULL but for the key.
func fromJSON[T any](r chaosRecord, v T) *T {
	if r.fate == tombstone {
		return nil
	}
	return &v
}

// tally counts how often each number was found, and keeps the first differences.
type tally struct {
	c     *chaos
	name  string
	found []int8
	wrong []string
	more  int // that are wrong, too
}

func (c *chaos) tally(name string) *tally {
	return &tally{c: c, name: name, found: make([]int8, c.producer.total)}
}

func (a *tally) bad(format string, args ...any) {
	if len(a.wrong) == 20 {
		a.more++
		return
	}
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

// count counts a number that was found. It returns the record, if there is one.
func (a *tally) count(n int64) (chaosRecord, bool) {
	if n < 0 || n >= int64(len(a.found)) {
		a.bad("number %d was never produced", n)
		return chaosRecord{}, false
	}
	a.found[n]++
	return newRecord(a.c.producer.seed, n), true
}

// same counts a row that a record gave, by its key.
func (a *tally) same(key *string, want func(chaosRecord) any, got any) {
	var n int64
	if key == nil {
		a.bad("a row without a key: %+v", got)
		return
	}
	if _, err := fmt.Sscan(*key, &n); err != nil {
		a.bad("a row with the key %q", *key)
		return
	}
	r, ok := a.count(n)
	if !ok {
		return
	}
	if want := want(r); !reflect.DeepEqual(want, got) { // cmp takes a minute for the bytes of a long run
		a.bad("number %d (-produced +found):\n%s", n, cmp.Diff(want, got))
	}
}

// expect compares how often each number was found with how often it must be.
func (a *tally) expect(times func(fate) int8) {
	a.c.t.Helper()
	for n, got := range a.found {
		r := newRecord(a.c.producer.seed, int64(n))
		if want := times(r.fate); got != want {
			a.bad("number %d of partition %d (fate %d) is there %d times, want %d", n, r.partition, r.fate, got, want)
		}
	}
	if len(a.wrong) > 0 {
		a.c.t.Errorf("%s differs:\n%s\nand %d more", a.name, strings.Join(a.wrong, "\n"), a.more)
	}
}

// among gives 1 for these fates.
func among(list ...fate) func(fate) int8 {
	return func(f fate) int8 {
		for _, x := range list {
			if f == x {
				return 1
			}
		}
		return 0
	}
}

// compare compares everything with what was produced.
func (c *chaos) compare() {
	c.t.Helper()
	places := c.compareTopic()
	bronze := c.tally("bronze")
	readLake(c, "bronze", func(row bronzeRow) {
		bronze.same(row.Key, func(r chaosRecord) any {
			key := r.key()
			return bronzeRow{fromJSON(r, r.n), fromJSON(r, r.hash), fromJSON(r, r.amount), &key, &r.partition, &places[r.n]}
		}, row)
	})
	bronze.expect(among(kept, filtered, negative, tombstone, poison))
	silver, gold := c.tally("silver"), map[int64]goldSum{}
	five := int32(5)
	readLake(c, "silver", func(row silverRow) {
		silver.same(row.Key, func(r chaosRecord) any {
			key := r.key()
			return silverRow{&r.n, &r.hash, &r.amount, &five, &key}
		}, row)
		sum := gold[*row.Amount%10]
		gold[*row.Amount%10] = goldSum{sum.rows + 1, sum.amount + *row.Amount, sum.numbers + *row.N}
	})
	silver.expect(among(kept))
	c.compareLetters(places)
	c.compareGold(gold)
	c.comparePublished()
	if out, err := lakeflow("", "audit", c.file); err != nil {
		c.t.Errorf("audit: %v\n%s", err, out)
	}
	if c.t.Failed() {
		c.t.FailNow()
	}
}

// compareTopic expects that the topic holds what was produced, each number once and in order. It returns the offsets by
// number.
func (c *chaos) compareTopic() []int64 {
	c.t.Helper()
	topic, places := c.tally("topic "+chaosTopic), make([]int64, c.producer.total)
	c.broker.consume(chaosTopic, func(got *kgo.Record) {
		key := string(got.Key)
		topic.same(&key, func(r chaosRecord) any {
			places[r.n] = got.Offset
			return []any{r.partition, r.value()}
		}, []any{got.Partition, got.Value})
	})
	topic.expect(func(fate) int8 { return 1 })
	return places
}

// compareLetters expects the records that cannot be read with their bytes, and the rows that silver refuses, and
// nothing else.
func (c *chaos) compareLetters(places []int64) {
	c.t.Helper()
	letters := c.tally("dead_letter")
	readLake(c, "dead_letter", func(row letterRow) {
		text := row.Raw
		if row.Row != nil {
			text = []byte(*row.Row)
		}
		n, err := numberOf(text)
		if row.Table != nil && *row.Table == "bronze" && row.Partition != nil && row.Offset != nil {
			n, err = c.producer.produced[*row.Partition][*row.Offset], nil
		}
		if err != nil {
			letters.bad("a dead letter of no record: %v", err)
			return
		}
		r, ok := letters.count(n)
		if !ok {
			return
		}
		switch {
		case r.fate == broken && (*row.Table != "bronze" || *row.Partition != r.partition || *row.Offset != places[n] || !bytes.Equal(row.Raw, r.value())):
			letters.bad("number %d: %q at %d of partition %d, want %q at %d of %d", n, row.Raw, *row.Offset, *row.Partition, r.value(), places[n], r.partition)
		case r.fate != broken && *row.Table != "silver", (r.fate == poison) != (row.Row == nil) && r.fate != broken:
			letters.bad("number %d (fate %d): %+v", n, r.fate, row)
		}
	})
	letters.expect(among(broken, negative, tombstone, poison))
}

// comparePublished expects that a reader of committed records sees silver's rows in the sink's topic, each once.
func (c *chaos) comparePublished() {
	c.t.Helper()
	type row struct {
		N, Amount int64
		H, K      string
		Note      int32
	}
	published := c.tally("topic " + chaosPublished)
	c.broker.consume(chaosPublished, func(got *kgo.Record) {
		key := string(got.Key)
		var found row
		if err := json.Unmarshal(got.Value, &found); err != nil {
			published.bad("%q: %v", got.Value, err)
			return
		}
		published.same(&key, func(r chaosRecord) any { return row{r.n, r.amount, r.hash, r.key(), 5} }, found)
	})
	published.expect(among(kept))
}

type goldSum struct{ rows, amount, numbers int64 }

// compareGold compares the materialized view with sums over silver's rows.
func (c *chaos) compareGold(want map[int64]goldSum) {
	c.t.Helper()
	got := map[int64]goldSum{}
	readLake(c, "gold", func(row goldRow) {
		got[*row.Digit] = goldSum{*row.Rows, *row.Amount, *row.Numbers}
	})
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(goldSum{})); diff != "" {
		c.t.Errorf("gold (-sums over silver +gold):\n%s", diff)
	}
}
