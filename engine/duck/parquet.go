package duck

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// targetFileSize is where a data file is cut: large enough for scans, small enough to rewrite.
const targetFileSize = "512MB"

// Layout says how the rows of a query become files.
type Layout struct {
	Dir          string        // data folder of the table; made when missing
	Schema       schemas.Table // with field ids; the query has these columns, by name
	Partition    []schemas.PartitionField
	Compression  string // zstd, snappy, gzip, lz4, none
	RowGroupSize int    // rows
	MaxRows      int64  // that the query gives; 0 when that is not known
	// Hidden is set for tables that lakeflow alone reads, and searches with every batch: the files are as small as with
	// zstd, and read in two thirds of the time, but not every program knows their encodings. Compression has no meaning then.
	Hidden bool
}

// WriteParquet writes the rows of query to new files, syncs them and their folders, and returns them with
// statistics, and the number of rows that DuckDB says it wrote. DataFile.Rows comes from the file's own footer, read
// back from disk, so that the two can be compared. A query without rows leaves no file.
func (d *DB) WriteParquet(ctx context.Context, query string, l Layout) ([]lake.DataFile, int64, error) {
	failpoint.Hit("file.before-write")
	if err := os.MkdirAll(l.Dir, 0o755); err != nil {
		return nil, 0, fmt.Errorf("make data folder: %w", err)
	}
	dir := filepath.Join(l.Dir, uuid.NewString())
	files, copied, err := d.copyTo(ctx, query, dir, l)
	if err != nil {
		_ = os.RemoveAll(dir) // nobody knows of it; the error is what matters
		return nil, 0, err
	}
	return files, copied, nil
}

// copyTo writes the rows of query to files in dir.
func (d *DB) copyTo(ctx context.Context, query, dir string, l Layout) ([]lake.DataFile, int64, error) {
	rows, err := d.conn.QueryContext(ctx, copyStatement(query, dir, l))
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	var files []lake.DataFile
	var copied int64
	for rows.Next() {
		var f lake.DataFile
		var footer any
		var stats, keys duckdb.OrderedMap
		if err := rows.Scan(&f.Path, &f.Rows, &f.Bytes, &footer, &stats, &nullMap{&keys}); err != nil {
			return nil, 0, fmt.Errorf("read what was written: %w", err)
		}
		copied += f.Rows
		f.Columns = columnStats(stats)
		f.Partition = partitionValues(keys)
		f.Group = partitionText(f.Partition)
		files = append(files, f)
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	_ = rows.Close() // the connection is needed below
	if err := checkDigits(l.Schema, files); err != nil {
		return nil, 0, err
	}
	failpoint.Hit("file.after-write")
	kept, err := syncFiles(files)
	if err != nil {
		return nil, 0, err
	}
	for _, f := range kept {
		if err := d.lengthen(ctx, f, l); err != nil {
			return nil, 0, err
		}
	}
	failpoint.Hit("file.after-sync")
	return kept, copied, nil
}

// Remove deletes files that WriteParquet made and that no table will name, and the folders that it made for them.
// Failures are left alone: an orphan harms nobody.
func Remove(files []lake.DataFile) {
	for _, f := range files {
		_ = os.Remove(f.Path)
		for dir := filepath.Dir(f.Path); filepath.Base(dir) != dataFolder && os.Remove(dir) == nil; {
			dir = filepath.Dir(dir)
		}
	}
}

// maxDictionary is how many values a column of a row group may have to be written as a dictionary. DuckDB would try to
// find three times as many, which costs a fifth of the time of writing where most values are different, and compression
// finds the repetitions of the rest anyway.
const maxDictionary = 8192

// dictionarySize is how many values a dictionary gets room for. DuckDB makes the room of every column before the first
// row: of a file of few rows it is most of what the file costs.
func dictionarySize(l Layout) int64 {
	if l.MaxRows > 0 {
		return min(l.MaxRows, maxDictionary)
	}
	return maxDictionary
}

// dataFolder is the name of the folder in which a table's files are, one new folder for each write.
const dataFolder = "data"

// copyStatement is the COPY of query into the new folder dir.
func copyStatement(query, dir string, l Layout) string {
	compression := l.Compression
	switch compression {
	case "":
		compression = "zstd"
	case "none":
		compression = "uncompressed"
	}
	if l.Hidden {
		compression = "lz4, PARQUET_VERSION v2"
	}
	opts := []string{"FORMAT parquet", "COMPRESSION " + compression, "DICTIONARY_SIZE_LIMIT " + strconv.FormatInt(dictionarySize(l), 10), "RETURN_STATS", "FILENAME_PATTERN 'part-{uuid}'",
		"FIELD_IDS " + schemas.FieldIDsSQL(l.Schema)}
	if slices.ContainsFunc(l.Schema, func(c schemas.Column) bool { return c.Type.Kind == schemas.Blob }) {
		opts = append(opts, "WRITE_BLOOM_FILTER false") // with one, DuckDB does not find a BLOB again that has other bytes than letters
	}
	if l.RowGroupSize > 0 {
		opts = append(opts, "ROW_GROUP_SIZE "+strconv.Itoa(l.RowGroupSize))
	}
	names := make([]string, len(l.Schema))
	for i, c := range l.Schema {
		names[i] = quote.Name(c.Name)
	}
	list := strings.Join(names, ", ")
	if len(l.Partition) == 0 {
		opts = append(opts, "FILE_SIZE_BYTES '"+targetFileSize+"'")
		return fmt.Sprintf("COPY (SELECT %s FROM (%s\n)) TO %s (%s)", list, query, quote.Text(dir), strings.Join(opts, ", "))
	}
	keys := make([]string, len(l.Partition))
	for i, p := range l.Partition {
		keys[i] = quote.Name(partitionPrefix + p.Name)
		list += ", " + keySQL(p, l.Schema) + " AS " + keys[i]
	}
	opts = append(opts, "PARTITION_BY ("+strings.Join(keys, ", ")+")")
	return fmt.Sprintf("COPY (SELECT %s FROM (%s\n)) TO %s (%s)", list, query, quote.Text(dir), strings.Join(opts, ", "))
}

// partitionPrefix keeps the computed partition columns apart from the table's own.
const partitionPrefix = "p."

// syncFiles reads each file's footer, syncs files and folders, and removes files without rows.
func syncFiles(files []lake.DataFile) ([]lake.DataFile, error) {
	kept := files[:0]
	folders := map[string]bool{}
	for _, f := range files {
		if f.Rows == 0 {
			if err := os.Remove(f.Path); err != nil {
				return nil, fmt.Errorf("remove empty file: %w", err)
			}
			_ = os.Remove(filepath.Dir(f.Path)) // fails, rightly, when other files are in it
			continue
		}
		if err := seal(&f); err != nil {
			return nil, err
		}
		kept = append(kept, f)
		for dir := filepath.Dir(f.Path); !folders[dir]; dir = filepath.Dir(dir) {
			folders[dir] = true
			if filepath.Base(dir) == dataFolder {
				break
			}
		}
	}
	for dir := range folders {
		if err := syncFolder(dir); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// seal makes a file durable, takes the number of its rows from its footer, and puts its checksum into its name.
func seal(file *lake.DataFile) error {
	f, err := os.Open(file.Path)
	if err != nil {
		return fmt.Errorf("read back %s: %w", file.Path, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", file.Path, err)
	}
	p, err := parquet.OpenFile(f, file.Bytes, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("read back %s: %w", file.Path, err)
	}
	file.Rows = p.NumRows()
	sum, err := lake.Checksum(f)
	if err != nil {
		return fmt.Errorf("read back %s: %w", file.Path, err)
	}
	sealed := lake.SealedName(file.Path, sum)
	if err := os.Rename(file.Path, sealed); err != nil {
		return fmt.Errorf("name %s: %w", file.Path, err)
	}
	file.Path = sealed
	return nil
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// WithProvenance returns a schema and behind it those columns of schemas.Provenance that any of the files has.
func (d *DB) WithProvenance(ctx context.Context, schema schemas.Table, files []lake.DataFile) (schemas.Table, error) {
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = quote.Text(schemas.EscapeGlob(f.Path))
	}
	rows, err := d.conn.QueryContext(ctx, "SELECT DISTINCT field_id FROM parquet_schema(["+strings.Join(paths, ", ")+"]) WHERE field_id IS NOT NULL")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := map[int]bool{}
	for rows.Next() {
		var id int
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		there[id] = true
	}
	has := slices.DeleteFunc(schemas.Provenance(true), func(c schemas.Column) bool { return !there[c.ID] })
	return schemas.WithProvenance(schema, has), rows.Err()
}

// rowGroupRows is how many rows DuckDB puts into a row group by default: what one thread reads at a time.
const rowGroupRows = 122_880

// Empty is a table expression with the schema's columns and no rows.
func Empty(schema schemas.Table) string {
	cols := make([]string, len(schema))
	for i, c := range schema {
		cols[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type, quote.Name(c.Name))
	}
	if len(cols) == 0 {
		return "(SELECT 1 AS nothing WHERE false)"
	}
	return "(SELECT " + strings.Join(cols, ", ") + " WHERE false)"
}

// nullMap scans a MAP that may be NULL.
type nullMap struct{ to *duckdb.OrderedMap }

func (n *nullMap) Scan(v any) error {
	if v == nil {
		return nil
	}
	return n.to.Scan(v)
}

// partitionValues turns DuckDB's partition_keys into values by partition field name.
func partitionValues(keys duckdb.OrderedMap) map[string]*string {
	if keys.Len() == 0 {
		return nil
	}
	out := make(map[string]*string, keys.Len())
	for i, k := range keys.Keys() {
		name := strings.TrimPrefix(fmt.Sprint(k), partitionPrefix)
		out[name] = nil
		if v := keys.Values()[i]; v != nil {
			text := fmt.Sprint(v)
			out[name] = &text
		}
	}
	return out
}

// partitionText is equal for equal partition values.
func partitionText(values map[string]*string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%q=", name)
		if v := values[name]; v != nil {
			fmt.Fprintf(&b, "%q ", *v)
		}
	}
	return b.String()
}

// columnStats turns DuckDB's column_statistics into ColumnStats by column path, as DuckDB spells the path.
func columnStats(m duckdb.OrderedMap) map[string]lake.ColumnStats {
	out := make(map[string]lake.ColumnStats, m.Len())
	for i, k := range m.Keys() {
		var s lake.ColumnStats
		inner, ok := m.Values()[i].(duckdb.OrderedMap)
		if !ok {
			continue
		}
		for j, name := range inner.Keys() {
			text := fmt.Sprint(inner.Values()[j])
			n, _ := strconv.ParseInt(text, 10, 64) // only read for the counts below
			switch name {
			case "min":
				s.Min, s.HasMin = text, true
			case "max":
				s.Max, s.HasMax = text, true
			case "null_count":
				s.Nulls = n
			case "num_values":
				s.Values = n
			case "column_size_bytes":
				s.Bytes = n
			case "has_nan":
				s.HasNaN = text == "true"
			}
		}
		out[fmt.Sprint(k)] = s
	}
	return out
}

// Shaped is the select list that gives the columns of want from a relation that has those of have: NULL for those that
// it lacks.
func Shaped(have, want schemas.Table) string {
	items := make([]string, len(want))
	for i, c := range want {
		name := quote.Name(c.Name)
		switch old := have.Column(c.Name); {
		case old == nil:
			items[i] = fmt.Sprintf("CAST(NULL AS %s) AS %s", c.Type, name)
		case old.Type.Equal(c.Type):
			items[i] = name
		default:
			items[i] = fmt.Sprintf("CAST(%s AS %s) AS %s", name, c.Type, name)
		}
	}
	return strings.Join(items, ", ")
}
