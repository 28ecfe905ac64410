package refresh

import (
	"context"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
)

// tracedRelation holds the broken rows of what was read again, with the positions of their records.
const tracedRelation = "__traced"

// records gives broken rows that are dropped the positions of their records, where the flow reads a source that can
// tell them by reading some of its places again: the query is evaluated over these, and of two rows from one place that
// are equal in all that a dead letter has, either record is right. It returns the relation of the records; none when
// nothing is known.
func (b *Batch) records(ctx context.Context, d *plan.Dataset, f *plan.Flow, in *input) (string, error) {
	source, trace := b.traceable(d, f, in)
	if trace == nil {
		return "", nil
	}
	places, err := b.placesOfBroken(ctx, `"__json" IS NOT NULL`)
	if err != nil {
		return "", err
	}
	t, err := trace(ctx, b.session(source), places)
	if err == nil && t != nil {
		err = b.matchTraced(ctx, d, f, source, t)
	}
	switch {
	case ctx.Err() != nil, err != nil && duckerr.World(err):
		return "", fmt.Errorf("look for the records of broken rows: %w", err)
	case err != nil || t == nil:
		return "", nil // what was read again is not what was read before: then nothing is known of it
	}
	return t.Records, nil
}

// traceable is the source whose batch is all that a flow reads, if it can be traced.
func (b *Batch) traceable(d *plan.Dataset, f *plan.Flow, in *input) (string, func(context.Context, sources.Session, map[int64]bool) (*sources.Traced, error)) {
	inputs := b.plan.Inputs(f)
	if len(f.Provenance) == 0 || !d.Deterministic || len(inputs) != 1 || len(in.reads) != 1 || len(in.poison) > 0 {
		return "", nil
	}
	r := in.reads[0]
	if r.whole || r.source != inputs[0] || !r.batch.Columns.Equal(b.intake.Columns[r.source]) {
		return "", nil
	}
	return r.source, r.batch.Trace
}

// matchTraced evaluates the flow over what was read again and finds the broken rows there.
func (b *Batch) matchTraced(ctx context.Context, d *plan.Dataset, f *plan.Flow, source string, t *sources.Traced) error {
	if err := b.relations(ctx, f, &input{streams: map[string]string{source: t.Relation}}); err != nil {
		return err
	}
	all := schemas.Provenance(true)
	if err := b.DB.Exec(ctx, "CREATE OR REPLACE TEMP TABLE "+tracedRelation+" AS "+d.Rules.BrokenSQL("("+f.LocatedProject+"\n)", all...)); err != nil {
		return err
	}
	defer func() { _ = b.DB.Exec(context.WithoutCancel(ctx), "DROP TABLE "+tracedRelation) }() // it is replaced the next time
	same := append(d.Rules.Broken(), quote.Name(schemas.PlaceColumn))
	list := strings.Join(same, ", ")
	const numbered = "SELECT *, row_number() OVER (PARTITION BY %[1]s) AS __k, count(*) OVER (PARTITION BY %[1]s) AS __n FROM %[2]s"
	return b.DB.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE TEMP TABLE %[1]s AS SELECT b.* EXCLUDE (__k, __n), t.%[2]s FROM (%[3]s) AS b LEFT JOIN (%[4]s) AS t USING (%[5]s, __k, __n)",
		brokenRelation, schemas.PositionColumn, fmt.Sprintf(numbered, list, brokenRelation), fmt.Sprintf(numbered, list, tracedRelation), list))
}
