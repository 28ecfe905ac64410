package records

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/sources"
)

// Parts are the files of a batch: DuckDB reads them strictly, all but those that it can't read so, which are read record
// by record. Files say their names as messages have them.
type Parts[F interface {
	comparable
	fmt.Stringer
}] struct {
	slow []part[F]
	// Proves is true when what is read record by record is only to be taken once DuckDB has read it.
	Proves bool
}

// part is some files read record by record.
type part[F any] struct {
	files         []F
	good, rejects string
}

// Add takes files that were read record by record, the relation of what is good of them, and that of the rest.
func (p *Parts[F]) Add(files []F, good, rejects string) {
	p.slow = append(p.slow, part[F]{files, good, rejects})
}

// Relation puts together the files that are read strictly, of these, and what is good of the others. Strict gives the
// relation that fails when a record of the files does not fit; it is empty when there is nothing to read.
func (p *Parts[F]) Relation(files []F, strict func([]F) string) string {
	var relations []string
	for _, part := range p.slow {
		if part.good != "" {
			relations = append(relations, part.good)
		}
	}
	if r := strict(p.Strict(files)); r != "" {
		relations = append(relations, r)
	}
	return Union(relations)
}

// Rejects are the relations of what could not be taken.
func (p *Parts[F]) Rejects() (relations []string) {
	for _, part := range p.slow {
		relations = append(relations, part.rejects)
	}
	return relations
}

// Strict are the files that are not read record by record.
func (p *Parts[F]) Strict(files []F) []F {
	slow := map[F]bool{}
	for _, part := range p.slow {
		for _, f := range part.files {
			slow[f] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(files), func(f F) bool { return slow[f] })
}

// Failing finds the files that DuckDB can't read strictly.
func (p *Parts[F]) Failing(ctx context.Context, conn *sql.Conn, files []F, strict func([]F) string) (failing []F, err error) {
	for _, f := range p.Strict(files) {
		r := strict([]F{f})
		if r == "" {
			continue
		}
		switch err := Reads(ctx, conn, r); {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case duckerr.World(err):
			return nil, fmt.Errorf("read %s: %w", f, err)
		case err != nil:
			failing = append(failing, f)
		}
	}
	return failing, nil
}

// ErrUnread ends an update when DuckDB refuses what it has read before.
var ErrUnread = errors.New("what was written to the temporary folder can't be read back; see to the disk, or report it if it goes on")

// Refused are the files whose records were written for DuckDB, which refuses them. They are taken out of the parts, to
// be proved one by one.
func (p *Parts[F]) Refused(ctx context.Context, conn *sql.Conn) (refused []F, err error) {
	var sound []part[F]
	for _, part := range p.slow {
		err := error(nil)
		if part.good != "" {
			err = Reads(ctx, conn, part.good)
		}
		switch {
		case ctx.Err() != nil || duckerr.World(err):
			return nil, errors.Join(ctx.Err(), err)
		case err == nil:
			sound = append(sound, part)
		case p.Proves:
			return nil, ErrUnread
		default:
			refused = append(refused, part.files...)
		}
	}
	p.slow, p.Proves = sound, len(refused) > 0
	return refused, nil
}

// Reads evaluates all columns of a relation.
func Reads(ctx context.Context, conn *sql.Conn, relation string) error {
	var hash any
	return conn.QueryRowContext(ctx, "SELECT bit_xor(hash(__lakeflow_all)) FROM "+relation+" AS __lakeflow_all").Scan(&hash)
}

// Repair gives the batch that takes the place of *out, which setAside makes of a copy of it that is there meanwhile; or
// nil, and *out is as before, when setAside says that the records are not to blame.
func Repair(out **sources.Batch, setAside func() (bool, error)) (*sources.Batch, error) {
	before := *out
	next := *before
	next.Ledger, next.Notices = slices.Clone(before.Ledger), slices.Clone(before.Notices)
	*out = &next
	repaired, err := setAside()
	if !repaired || err != nil {
		*out = before
		return nil, err
	}
	return &next, nil
}

// Unrepaired is the error of setting records aside, which reading failed for with this cause.
func Unrepaired(cause, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("set bad records aside after %q: %w", duckerr.Text(cause), err)
}

// SetRejects fills in the rejects of a batch: those of the relations.
func SetRejects(ctx context.Context, conn *sql.Conn, b *sources.Batch, relations []string) error {
	b.Rejects, b.RejectCount = "", 0
	all := Union(relations)
	if all == "" {
		return nil
	}
	if err := conn.QueryRowContext(ctx, "SELECT count(*) FROM "+all).Scan(&b.RejectCount); err != nil {
		return fmt.Errorf("count rejects: %w", err)
	}
	if b.RejectCount > 0 {
		b.Rejects = all
	}
	return nil
}
