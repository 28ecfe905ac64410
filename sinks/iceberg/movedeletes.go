package iceberg

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/parquet-go/parquet-go"

	"github.com/lakeflow/lakeflow/sinks/lake"
)

// removedRow is a row of a file that names removed rows, with the field ids of lake.DeleteSchema.
type removedRow struct {
	Path string `parquet:"file_path,dict,zstd,id(2147483546)"`
	Pos  int64  `parquet:"pos,zstd,id(2147483545)"`
}

// deletes writes the files of a manifest that name removed rows anew.
func (m *move) deletes(f iceberg.ManifestFile, entries []entry) error {
	if f.ManifestContent() != iceberg.ManifestContentDeletes {
		return nil
	}
	for _, e := range entries {
		if _, done := m.named[e.Path]; done {
			continue
		}
		if e.Content != iceberg.EntryContentPosDeletes || e.Format != iceberg.ParquetFile {
			return fmt.Errorf("%s is a delete file that another program wrote and lakeflow does not read; "+
				"move the warehouse back, and compact the table there", local(e.Path))
		}
		file, err := m.deleteFile(m.here(e.Path), e.Bytes)
		if sum := (*lake.DamagedError)(nil); errors.As(err, &sum) {
			return err
		}
		if err != nil {
			return damaged("delete file", m.here(e.Path), err)
		}
		m.named[e.Path] = file
	}
	return nil
}

// deleteFile writes a file that names rows of files where these are now. One that is missing stays so: where the
// table's last version needs it, checkFiles has refused it, and earlier versions are left as they are.
func (m *move) deleteFile(location string, size int64) (placedFile, error) {
	same := placedFile{location, size}
	path := local(location)
	if err := lake.CheckFile(path); errors.Is(err, fs.ErrNotExist) {
		return same, nil
	} else if err != nil { // it must not get a new checksum
		return same, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return same, err
	}
	rows, err := readRemoved(content)
	if err != nil {
		return same, err
	}
	moved := slices.Clone(rows)
	for i := range moved {
		moved[i].Path = m.here(moved[i].Path)
	}
	if slices.Equal(rows, moved) {
		return same, nil
	}
	if !slices.IsSortedFunc(moved, removedRow.compare) {
		slices.SortFunc(moved, removedRow.compare)
	}
	var out bytes.Buffer
	w := parquet.NewGenericWriter[removedRow](&out)
	if _, err := w.Write(moved); err != nil {
		return same, err
	}
	if err := w.Close(); err != nil {
		return same, err
	}
	if again, err := readRemoved(out.Bytes()); err != nil || !slices.Equal(again, moved) {
		return same, fmt.Errorf("what was written of it reads otherwise (%v)", err)
	}
	sum, err := lake.Checksum(bytes.NewReader(out.Bytes()))
	if err != nil {
		return same, err
	}
	next := lake.SealedName(path, sum)
	return placedFile{lake.URI(next), int64(out.Len())}, m.out.write(next, out.Bytes())
}

func (r removedRow) compare(with removedRow) int {
	return cmp.Or(strings.Compare(r.Path, with.Path), cmp.Compare(r.Pos, with.Pos))
}

// readRemoved reads a file that names removed rows.
func readRemoved(content []byte) (rows []removedRow, err error) {
	defer caught(&err)
	file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"file_path", "pos"} {
		if _, ok := file.Schema().Lookup(name); !ok {
			return nil, fmt.Errorf("it has no column %s", name)
		}
	}
	r := parquet.NewGenericReader[removedRow](file)
	defer func() { _ = r.Close() }() // it only reads memory
	rows = make([]removedRow, file.NumRows())
	n, err := r.Read(rows)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err == nil && n != len(rows) {
		err = fmt.Errorf("%d rows were read of %d", n, len(rows))
	}
	return rows, err
}

// place changes what a manifest says of a file. Of one that names removed rows, the bounds of its paths are other ones
// too, and its size.
func (m *move) place(data map[string]any) error {
	location, ok := data["file_path"].(string)
	if !ok {
		return errors.New("an entry of it names no file")
	}
	data["file_path"] = m.here(location)
	file, names := m.named[location]
	if !names {
		return nil
	}
	data["file_path"], data["file_size_in_bytes"] = file.location, file.length
	if of, ok := data["referenced_data_file"].(string); ok {
		data["referenced_data_file"] = m.here(of)
	}
	for _, key := range []string{"lower_bounds", "upper_bounds"} {
		bounds, _ := data[key].([]any)
		for _, b := range bounds {
			bound, _ := b.(map[string]any)
			if value, ok := bound["value"].([]byte); ok && fmt.Sprint(bound["key"]) == strconv.Itoa(pathID) {
				bound["value"] = []byte(m.here(string(value)))
			}
		}
	}
	return nil
}

// pathID is the field id of the paths in files that name removed rows.
var pathID = lake.DeleteSchema().Column("file_path").ID

// placedEntry is an entry of a manifest as it is to be after the move.
func (m *move) placedEntry(e entry) entry {
	file, names := m.named[e.Path]
	if !names {
		e.Path = m.here(e.Path)
		return e
	}
	e.Path, e.Bytes = file.location, file.length
	if e.Referenced != nil {
		of := m.here(*e.Referenced)
		e.Referenced = &of
	}
	e.Lower, e.Upper = m.bounds(e.Lower), m.bounds(e.Upper)
	return e
}

// bounds are those of a file that names removed rows, after the move.
func (m *move) bounds(old map[int][]byte) map[int][]byte {
	next := maps.Clone(old)
	if path, ok := next[pathID]; ok {
		next[pathID] = []byte(m.here(string(path)))
	}
	return next
}

// growth is by how much the files of a snapshot are larger than they were: all of them, those that it added, and those
// that it removed.
type growth struct{ total, added, removed int64 }

// add counts what became of one entry of a manifest of the snapshot.
func (g *growth) add(snapshot int64, old, now entry) {
	by := now.Bytes - old.Bytes
	if old.Status != iceberg.EntryStatusDELETED {
		g.total += by
	}
	switch {
	case old.Snapshot != snapshot:
	case old.Status == iceberg.EntryStatusADDED:
		g.added += by
	case old.Status == iceberg.EntryStatusDELETED:
		g.removed += by
	}
}

// apply changes the summary of a snapshot.
func (g growth) apply(summary map[string]any) {
	for key, by := range map[string]int64{"total-files-size": g.total, "added-files-size": g.added, "removed-files-size": g.removed} {
		if text, ok := summary[key].(string); ok && by != 0 {
			summary[key] = strconv.FormatInt(number(text)+by, 10)
		}
	}
}
