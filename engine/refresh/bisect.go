package refresh

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
)

// suspectRelation holds the new rows of one input, numbered, while those on which the query fails are looked for.
const suspectRelation = "__suspect"

// maxPoison bounds how many records of one input may be set aside in a batch: a query that fails on more is to be
// mended.
const maxPoison = 1000

// dataErrors are the types of DuckDB's errors that a value can cause.
var dataErrors = []string{"Conversion", "Out of Range", "Invalid Input", "Mismatch Type", "Divide by Zero", "Decimal"}

// bisect looks for the new rows on which a flow's query fails, cutting them in halves, and leaves them out of the
// input; they are rejects of it from then on. Only a continuous update does so: a triggered one ends, for somebody is
// there to mend the query. It returns false when the error is not about single rows of one input.
func (b *Batch) bisect(ctx context.Context, f *plan.Flow, in *input, cause error) (bool, error) {
	_, e := duckerr.Read(cause)
	if !b.Bisect || e == nil || !slices.Contains(dataErrors, e.Type) || len(in.poison) > 0 {
		return false, nil
	}
	for i, name := range slices.Concat(b.plan.Inputs(f), b.plan.Changed(f)) {
		rows := in.streams
		if i >= len(b.plan.Inputs(f)) {
			rows = in.feeds
		}
		relation := rows[name]
		if err := b.DB.Exec(ctx, `CREATE OR REPLACE TEMP TABLE `+suspectRelation+` AS SELECT row_number() OVER () AS "__n", * FROM `+relation); err != nil {
			return false, ctx.Err() // the input itself cannot be read
		}
		var n int64
		if err := b.DB.Conn().QueryRowContext(ctx, "SELECT count(*) FROM "+suspectRelation).Scan(&n); err != nil {
			return false, fmt.Errorf("look for the rows that fail: %w", err)
		}
		s := search{b: b, f: f, in: in, name: name, rows: rows}
		found, err := s.halve(ctx, 1, n)
		if err != nil {
			return false, err
		}
		if found && len(s.bad) > 0 {
			s.leaveOut()
			return true, nil
		}
		rows[name] = relation
	}
	return false, nil
}

// search is the search for the rows of one input on which a query fails.
type search struct {
	b    *Batch
	f    *plan.Flow
	in   *input
	name string
	rows map[string]string // of the inputs, by name: their new rows, or what was changed in them
	bad  []badRow
}

type badRow struct {
	number int64
	reason string
}

// halve looks at the rows from one number to another. It returns false when the rows fail together but not alone, or
// when there are too many.
func (s *search) halve(ctx context.Context, from, to int64) (bool, error) {
	if from > to {
		return true, nil
	}
	err := s.try(ctx, from, to)
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil:
		return false, ctx.Err()
	case from == to:
		s.bad = append(s.bad, badRow{from, duckerr.FirstLine(err)})
		return len(s.bad) <= maxPoison, nil
	}
	before, middle := len(s.bad), (from+to)/2
	if ok, err := s.halve(ctx, from, middle); !ok {
		return false, err
	}
	if ok, err := s.halve(ctx, middle+1, to); !ok {
		return false, err
	}
	return len(s.bad) > before, nil
}

// try evaluates the query with these rows only.
func (s *search) try(ctx context.Context, from, to int64) error {
	s.rows[s.name] = fmt.Sprintf(`(SELECT * EXCLUDE ("__n") FROM %s WHERE "__n" BETWEEN %d AND %d)`, suspectRelation, from, to)
	if err := s.b.relations(ctx, s.f, s.in); err != nil {
		return err
	}
	var hash any
	return s.b.DB.Conn().QueryRowContext(ctx, "SELECT bit_xor(hash(r)) FROM ("+s.f.Project+"\n) r").Scan(&hash)
}

// leaveOut makes the bad rows rejects of the input, and the rest its new rows.
func (s *search) leaveOut() {
	numbers, reasons := make([]string, len(s.bad)), make([]string, len(s.bad))
	for i, bad := range s.bad {
		numbers[i] = fmt.Sprint(bad.number)
		reasons[i] = fmt.Sprintf("(%d, %s)", bad.number, quote.Text(bad.reason))
	}
	s.rows[s.name] = fmt.Sprintf(`(SELECT * EXCLUDE ("__n") FROM %s WHERE "__n" NOT IN (%s))`, suspectRelation, strings.Join(numbers, ", "))
	place, hidden := `CAST(NULL AS JSON)`, append([]string{`"__n"`}, names(s.b.provenanceOf(s.name))...)
	if _, ok := s.b.Sources[s.name]; ok {
		place = "to_json(" + quote.Name(plan.MetadataColumn) + ")"
	}
	rejects := fmt.Sprintf(`(SELECT coalesce(place->>'file_path', place->>'topic') AS file, CAST(0 AS BIGINT) AS line,
		coalesce(CAST(place->>'offset' AS BIGINT), -1) AS "offset", raw, reason, false AS whole, CAST(place->>'partition' AS INTEGER) AS "partition"
		FROM (SELECT %s AS place, encode(CAST(to_json(struct_pack(*COLUMNS(s.* EXCLUDE (%s)))) AS VARCHAR)) AS raw, 'the query fails on it: ' || v.reason AS reason
			FROM %s s JOIN (VALUES %s) v("number", reason) ON s."__n" = v."number"))`, place, strings.Join(hidden, ", "), suspectRelation, strings.Join(reasons, ", "))
	s.in.poison = []read{{source: s.name, batch: &sources.Batch{Rejects: rejects, RejectCount: int64(len(s.bad))}}}
}
