package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/sinks/iceberg/metadata"
)

// damaged says which file of a table's metadata cannot be read, and what to do about it.
func damaged(what, location string, err error) error {
	var unknown *metadata.VersionError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%s %s: %w; use a newer version of lakeflow, or the program that wrote it", what, local(location), err)
	}
	const remedy = "restore this file from a backup of the warehouse, however old: it never changes"
	var file *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s %s is missing; %s", what, local(location), remedy)
	case errors.As(err, &file):
		return fmt.Errorf("read %s: %w", what, err) // the disk or its permissions
	}
	return fmt.Errorf("%s %s is damaged: %w; %s", what, local(location), err, remedy)
}

// Check compares the head that the catalog keeps of a table with its metadata file.
func (l *Lake) Check(ctx context.Context, name string) error {
	p, err := l.pointer(ctx, name)
	if err != nil {
		return err
	}
	kept, broken := restore(name, p.location, p.stored)
	meta, err := readMetadata(name, p.location)
	if l.moved(ctx, err) {
		return l.Check(ctx, name)
	}
	if err != nil {
		return err
	}
	h, err := newHead(name, p.location, meta)
	if err != nil {
		return err
	}
	want, err := h.store()
	if err != nil {
		return err
	}
	if broken || kept != nil && p.stored != want {
		return fmt.Errorf("what %s keeps of table %s is not what its metadata file %s says; nothing is lost: the table's next commit writes it anew", l.catalogFile(), name, local(p.location))
	}
	return nil
}

// manifestsOf reads the manifest list of a snapshot. One that was cut off may still decode: what is left of it is then
// not what the snapshot counts.
func manifestsOf(s *metadata.Snapshot) (manifests []iceberg.ManifestFile, err error) {
	defer func() {
		if err != nil {
			err = damaged("manifest list", s.ManifestList, err)
		}
	}()
	defer caught(&err)
	content, err := readChecked(local(s.ManifestList))
	if err != nil {
		return nil, err
	}
	if manifests, err = iceberg.ReadManifestList(bytes.NewReader(content)); err != nil {
		return nil, err
	}
	have := map[iceberg.ManifestContent]int64{}
	for _, m := range manifests {
		have[m.ManifestContent()] += int64(m.AddedDataFiles()) + int64(m.ExistingDataFiles())
	}
	if summary(s, keyCommit) == "" {
		return manifests, nil // another program wrote it, and may not count
	}
	if n, want := have[iceberg.ManifestContentData], summaryInt(s, "total-data-files"); n != want {
		return nil, fmt.Errorf("it has %d data files instead of %d", n, want)
	}
	if n, want := have[iceberg.ManifestContentDeletes], summaryInt(s, "total-delete-files"); n != want {
		return nil, fmt.Errorf("it has %d delete files instead of %d", n, want)
	}
	return manifests, nil
}

// entriesOf reads the entries of a manifest, without those of deleted files when live is true. Their number must be
// what the manifest list says.
func entriesOf(m iceberg.ManifestFile, live bool) iter.Seq2[iceberg.ManifestEntry, error] {
	return func(yield func(iceberg.ManifestEntry, error) bool) {
		entries, err := readEntries(m, live)
		if err != nil {
			yield(nil, damaged("manifest", m.FilePath(), err))
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func readEntries(m iceberg.ManifestFile, live bool) (entries []iceberg.ManifestEntry, err error) {
	defer caught(&err)
	info, err := os.Stat(local(m.FilePath()))
	if err != nil {
		return nil, err
	}
	if info.Size() != m.Length() {
		return nil, fmt.Errorf("it has %d bytes instead of %d", info.Size(), m.Length())
	}
	content, err := readChecked(local(m.FilePath()))
	if err != nil {
		return nil, err
	}
	if entries, err = iceberg.ReadManifest(m, bytes.NewReader(content), live); err != nil {
		return nil, err
	}
	want := m.AddedDataFiles() + m.ExistingDataFiles()
	if !live {
		want += m.DeletedDataFiles()
	}
	if len(entries) != int(want) {
		return nil, fmt.Errorf("it has %d files instead of %d", len(entries), want)
	}
	return entries, nil
}

// caught makes an error of a panic: a decoder may stumble over what is no longer what was written.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("it cannot be decoded: %v", r)
	}
}
