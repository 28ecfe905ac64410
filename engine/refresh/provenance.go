package refresh

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/engine/position"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// placesRelation holds the files and topics that broken rows are from.
const placesRelation = "__places"

// readRows reads files of a table with its columns and those that say where rows are from, which files may lack.
func (b *Batch) readRows(table string, schema schemas.Table, files []lake.DataFile) string {
	return duck.ReadFiles(schemas.WithProvenance(schema, b.provenanceOf(table)), files)
}

// provenanceOf are the columns that the relation of an input has beside those that queries see.
func (b *Batch) provenanceOf(input string) schemas.Table {
	if d := b.plan.Dataset(input); d != nil && len(d.Provenance) == 0 {
		return nil
	}
	return schemas.Provenance(true)
}

// names lists columns for SELECT.
func names(t schemas.Table) []string {
	out := make([]string, len(t))
	for i, c := range t {
		out[i] = quote.Name(c.Name)
	}
	return out
}

// places finds out which files and topics the broken rows of a flow are from. It returns the relation of those that are
// known; an empty one when the flow does not tell.
func (b *Batch) places(ctx context.Context, f *plan.Flow) (*expectations.Provenance, error) {
	if len(f.Provenance) == 0 {
		return nil, nil
	}
	wanted, err := b.placesOfBroken(ctx, "TRUE")
	if err != nil {
		return nil, fmt.Errorf("look where broken rows are from: %w", err)
	}
	found := map[int64]located{}
	for _, source := range b.plan.Roots(f) {
		if err := b.locate(ctx, source, wanted, found); err != nil {
			return nil, fmt.Errorf("look where broken rows of source %s are from: %w", source, err)
		}
	}
	if err := b.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+placesRelation+" (place BIGINT, source VARCHAR, file VARCHAR)"); err != nil {
		return nil, err
	}
	err = b.DB.Append(placesRelation, func(yield func([]driver.Value) bool) {
		for id, at := range found {
			if !yield([]driver.Value{id, at.source, at.name}) {
				return
			}
		}
	})
	return &expectations.Provenance{Columns: f.Provenance, Places: placesRelation}, err
}

// located is a file or topic of a source.
type located struct{ source, name string }

func (b *Batch) placesOfBroken(ctx context.Context, which string) (map[int64]bool, error) {
	rows, err := b.DB.Conn().QueryContext(ctx, fmt.Sprintf("SELECT DISTINCT %[1]s FROM %[2]s WHERE %[1]s IS NOT NULL AND %[3]s",
		schemas.PlaceColumn, brokenRelation, which))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	wanted := map[int64]bool{}
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		wanted[id] = true
	}
	return wanted, rows.Err()
}

// locate moves the places of a source from wanted to found: first those of what this batch has read of it, then those
// that its readers have read before.
func (b *Batch) locate(ctx context.Context, source string, wanted map[int64]bool, found map[int64]located) error {
	for _, batches := range []map[string]*sources.Batch{b.intake.batches, b.whole.batches} {
		if got := batches[source]; got != nil {
			take(source, got.Places, wanted, found)
		}
	}
	for _, k := range b.state.Keys() {
		if len(wanted) == 0 {
			return nil
		}
		if k.Kind != position.Source || k.Input != source {
			continue
		}
		places, err := b.Sources[source].Places(ctx, b.state.At(k), ledger.Of(b.DB, b.Lake, k))
		if err != nil {
			return err
		}
		take(source, places, wanted, found)
	}
	return nil
}

// take moves places from wanted to found.
func take(source string, places []sources.Location, wanted map[int64]bool, found map[int64]located) {
	for _, p := range places {
		if wanted[p.ID] {
			delete(wanted, p.ID)
			found[p.ID] = located{source, p.Name}
		}
	}
}
