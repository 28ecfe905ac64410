package files

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// provenance are the columns of schemas.Provenance for a reader over these files, where index is the 0-based number of the
// row's file. DuckDB's readers of texts do not tell the number of a record.
func (w *work) provenance(files []*file, index string) string {
	return fmt.Sprintf("%s AS %s, CAST(NULL AS INTEGER) AS %s, CAST(%s AS BIGINT) AS %s",
		w.place(files, index), schemas.PlaceColumn, schemas.PartitionColumn, cmp.Or(w.position, "NULL"), schemas.PositionColumn)
}

// place is the number of the row's file.
func (w *work) place(files []*file, index string) string {
	ids := make([]string, len(files))
	for i, f := range files {
		ids[i] = w.placeID(f)
	}
	if len(files) == 1 {
		return "CAST(" + ids[0] + " AS BIGINT)"
	}
	return fmt.Sprintf("CAST(%s AS BIGINT[])[CAST(%s AS BIGINT) + 1]", split(ids, ","), index)
}

func (w *work) placeID(f *file) string {
	return strconv.FormatInt(sources.PlaceID(w.src.cfg.Name, f.rel), 10)
}

// locations are the files of the batch.
func (w *work) locations() []sources.Location {
	out := make([]sources.Location, len(w.files))
	for i, f := range w.files {
		out[i] = sources.Location{ID: sources.PlaceID(w.src.cfg.Name, f.rel), Name: f.path}
	}
	return out
}

// Places are the files that have marks.
func (s *Source) Places(ctx context.Context, _ sources.Position, read sources.Ledger) ([]sources.Location, error) {
	base, _ := s.base()
	var out []sources.Location
	for m, err := range read.All(ctx) {
		if err != nil {
			return nil, err
		}
		out = append(out, sources.Location{ID: sources.PlaceID(s.cfg.Name, m.Key), Name: filepath.Join(base, m.Key)})
	}
	return out, nil
}
