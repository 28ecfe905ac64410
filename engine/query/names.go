package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// names are the relations that a query may name.
type names struct {
	*Tables
	known   []string          // relations that were made
	missing map[string]string // views that could not be made, and why
}

// make makes a relation of every published table, of every earlier version that the query asks for, and of every view.
func (q *names) make(ctx context.Context, travels []sqltext.Travel) error {
	for _, schema := range append(q.schemas(), sqltext.StreamSchema) {
		if err := q.DB.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+quote.Name(schema)); err != nil {
			return err
		}
	}
	stored, err := q.Relations(ctx)
	if err != nil {
		return err
	}
	for name, schema := range q.systemTables() {
		if _, ok := stored[name]; !ok {
			stored[name] = duck.Empty(schema)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(stored)) {
		if err := q.create(ctx, name, "SELECT * FROM "+stored[name]); err != nil {
			return err
		}
	}
	if err := q.makeViews(ctx); err != nil {
		return err
	}
	for _, t := range travels {
		if err := q.travel(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// create makes a relation that answers to the name by itself, behind the pipeline's schema as in the pipeline's own
// queries, and behind STREAM, which outside of an update gives all rows.
func (q *names) create(ctx context.Context, name, query string) error {
	if err := q.DB.Exec(ctx, "CREATE OR REPLACE VIEW main."+quote.Name(name)+" AS "+query+"\n"); err != nil {
		return err
	}
	q.known = append(q.known, name)
	schema, bare := schemas.SplitName(name)
	for _, at := range [][2]string{{cmp.Or(schema, q.Pipeline.Target.Schema), bare}, {sqltext.StreamSchema, name}} {
		if err := q.DB.Exec(ctx, fmt.Sprintf("CREATE VIEW IF NOT EXISTS %s.%s AS SELECT * FROM main.%s", quote.Name(at[0]), quote.Name(at[1]), quote.Name(name))); err != nil {
			return err
		}
	}
	return nil
}

// makeViews makes the pipeline's views, each after those that it reads. A view that reads what is not stored is noted
// as missing.
func (q *names) makeViews(ctx context.Context) error {
	var waiting []*dsl.Table
	for _, t := range q.Pipeline.Tables {
		if t.Kind == dsl.View && len(t.Flows) > 0 && t.Flows[0].SQL != nil {
			waiting = append(waiting, t)
		}
	}
	for progress := true; progress; {
		progress = false
		waiting = slices.DeleteFunc(waiting, func(t *dsl.Table) bool {
			err := q.createView(ctx, t.Name, q.qualified(t.Flows[0].SQL))
			q.missing[t.Name] = q.whyMissing(err)
			if err == nil {
				delete(q.missing, t.Name)
				progress = true
			}
			return err == nil
		})
	}
	return ctx.Err()
}

// createView makes a view of the pipeline, unless its query would do more than read.
func (q *names) createView(ctx context.Context, name string, query *sqltext.Query) error {
	in, err := plan.Inspect(ctx, q.DB.Conn(), query.Text)
	switch {
	case err != nil:
		return err
	case in.Failed != nil || in.Statements != 1:
		return errors.New("its query is not one SELECT; lakeflow validate says more")
	case len(in.Refused) > 0:
		return errors.New(in.Refused[0].Message + "; lakeflow validate says more")
	}
	for _, r := range in.Relations {
		if r.Schema == sqltext.ChangesSchema {
			return errors.New("it reads " + asChanges(r.Name))
		}
	}
	return q.createBound(ctx, name, query)
}

// createBound makes it, with another text where the translation of its query depends on types.
func (q *names) createBound(ctx context.Context, name string, query *sqltext.Query) error {
	create := "CREATE OR REPLACE VIEW main." + quote.Name(name) + " AS "
	for {
		err := q.DB.Exec(ctx, create+query.Text+"\n")
		next, ok := again(query, err, func(offset int) int { return offset - len(create) })
		if !ok {
			break
		}
		query = next
	}
	return q.create(ctx, name, query.Text)
}

// readable refuses relations that are neither tables nor views: files, and DuckDB's own lists, which tell where files
// are.
func (q *names) readable(s *Statement) error {
	known := slices.Clone(q.known)
	for _, t := range s.travels {
		known = append(known, t.Relation)
	}
	own := []string{"", "main", q.Pipeline.Target.Schema, sqltext.StreamSchema}
	for _, r := range s.relations {
		standard := strings.EqualFold(r.Schema, "information_schema") && fold([]string{"tables", "columns", "schemata"}, r.Name)
		recurring := r.Catalog == "" && strings.EqualFold(r.Schema, "recurring") // DuckDB's name for all rows of a recursive query
		here, name := fold([]string{"", "memory"}, r.Catalog) && fold(own, r.Schema), r.Name
		if !here && fold([]string{"", "memory"}, r.Catalog) && fold(q.schemas(), r.Schema) {
			here, name = true, schemas.JoinName(r.Schema, r.Name)
		}
		switch {
		case r.Schema == sqltext.ChangesSchema:
			return fmt.Errorf("query: STREAM gives %s%s", asChanges(r.Name), s.caretAt(r.At))
		case standard, recurring, here && fold(known, name):
		case !here && fold(known, r.Name):
			return fmt.Errorf("query: %s is not in schema %s; write %[1]s alone%s", r.Name, r.Schema, s.caretAt(r.At))
		default:
			return fmt.Errorf("query: %s%s", q.whyUnknown(name), s.caretAt(r.At))
		}
	}
	return nil
}

// schemas are those that the pipeline has tables in, its own first: those of the pipeline file, and those that are stored.
func (q *names) schemas() []string {
	found := append([]string{q.Pipeline.Target.Schema}, q.Pipeline.Schemas()...)
	for _, name := range slices.Sorted(maps.Keys(q.State.Tables)) {
		if schema, _ := schemas.SplitName(name); schema != "" && !fold(found, schema) {
			found = append(found, schema)
		}
	}
	return found
}

// qualified is a query with the tables of schemas as the relations have their names.
func (t *Tables) qualified(q *sqltext.Query) *sqltext.Query {
	if q.Spark { // its names are those of the pipeline already
		return q
	}
	return q.Qualify(t.Pipeline.Target.Schema, slices.AppendSeq(t.Pipeline.InSchemas(), maps.Keys(t.State.Tables)))
}

// fold reports whether a name is among others, letter case aside.
func fold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// whyMissing says why a view cannot be made.
func (q *names) whyMissing(err error) string {
	_, e := duckerr.Read(err)
	switch {
	case err == nil:
		return ""
	case e == nil:
		return err.Error()
	case e.Kind == "Table" && q.isSource(e.Name):
		return fmt.Sprintf("it reads source %s, whose rows are not stored; query a table that the source feeds", e.Name)
	case e.Kind == "Table":
		return fmt.Sprintf("it reads %s, which cannot be read either: %s", e.Name, q.whyUnknown(e.Name))
	}
	return e.Plain()
}

// asChanges says how the changes of a table are read outside of an update.
func asChanges(table string) string {
	return fmt.Sprintf("the changes of %s, which only an update does; write table_changes(%s, 1) for all that are kept", table, quote.Text(table))
}

func (q *names) isSource(name string) bool {
	return slices.ContainsFunc(q.Pipeline.Sources, func(s *dsl.Source) bool { return strings.EqualFold(s.Name, name) })
}

// whyUnknown says why there is no relation of that name, and what to do.
func (q *names) whyUnknown(name string) string {
	for view, why := range q.missing {
		if strings.EqualFold(view, name) {
			return fmt.Sprintf("view %s cannot be queried: %s", view, why)
		}
	}
	for _, t := range q.Pipeline.Tables {
		if strings.EqualFold(t.Name, name) {
			return fmt.Sprintf("table %s has no rows yet; run the pipeline first: %s", t.Name, q.Again)
		}
	}
	if q.isSource(name) {
		return fmt.Sprintf("%s is a source, whose rows are not stored; query a table that it feeds", name)
	}
	if schema, _ := schemas.SplitName(name); schema == "" {
		var elsewhere []string
		for _, known := range q.known {
			if schema, bare := schemas.SplitName(known); schema != "" && strings.EqualFold(bare, name) {
				elsewhere = append(elsewhere, known)
			}
		}
		switch len(elsewhere) {
		case 0:
		case 1:
			return fmt.Sprintf("there is no table %s in the schema %s; did you mean %q?", name, q.Pipeline.Target.Schema, elsewhere[0])
		default:
			return fmt.Sprintf("there is no table %s in the schema %s; write which one is meant: %s", name, q.Pipeline.Target.Schema, strings.Join(elsewhere, " or "))
		}
	}
	return fmt.Sprintf("there is no table %s; %s", name, diag.DidYouMean(name, q.known, "see what there is with SHOW TABLES"))
}

// travel makes the relation of an earlier version of a table.
func (q *names) travel(ctx context.Context, t sqltext.Travel) error {
	if t.Of != "" {
		if !fold(q.known, q.published(t.Of)) {
			return fmt.Errorf("query: %s", q.whyUnknown(t.Of))
		}
		return nil
	}
	t.Name = q.published(t.Name)
	name := ""
	t.Name = schemas.LocalName(q.Pipeline.Target.Schema, t.Name)
	for stored := range q.State.Tables {
		if strings.EqualFold(stored, t.Name) {
			name = stored
		}
	}
	if name == "" {
		for system := range q.systemTables() {
			if strings.EqualFold(system, t.Name) {
				return fmt.Errorf("query: %s has no versions yet: nothing was written to it; leave out AS OF", system)
			}
		}
		if fold(q.known, t.Name) {
			return fmt.Errorf("query: %s is a view and has no versions; write AS OF behind the tables that it reads", t.Name)
		}
		return fmt.Errorf("query: %s", q.whyUnknown(t.Name))
	}
	if t.Since != "" {
		return q.changes(ctx, name, t)
	}
	at, err := q.version(ctx, name, t)
	if err != nil {
		return err
	}
	contents, err := q.Lake.Files(ctx, name, at)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if err := checkDeletes(contents.Files); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	relation := q.shown(name, duck.ReadFiles(contents.Schema, contents.Files))
	return q.DB.Exec(ctx, fmt.Sprintf("CREATE OR REPLACE VIEW main.%s AS SELECT * FROM %s", quote.Name(t.Relation), relation))
}

// version reads what stands after AS OF: a time, a snapshot id, or a commit number.
func (q *names) version(ctx context.Context, table string, t sqltext.Travel) (lake.Version, error) {
	if t.Version == "" {
		var at time.Time
		err := q.DB.Conn().QueryRowContext(ctx, "SELECT CAST(? AS TIMESTAMPTZ)", t.Timestamp).Scan(&at)
		if err != nil {
			return lake.Version{}, usagef("%q is not a time; write it as '2025-01-31 12:00:00'", t.Timestamp)
		}
		return lake.Version{AsOf: at}, nil
	}
	n, err := strconv.ParseInt(t.Version, 10, 64)
	if err != nil || n <= 0 {
		return lake.Version{}, usagef("%q is not a version; write a commit number or a snapshot id", t.Version)
	}
	history, err := q.Lake.History(ctx, table)
	if err != nil {
		return lake.Version{}, fmt.Errorf("read the history of %s: %w", table, err)
	}
	if slices.ContainsFunc(history, func(s lake.Snapshot) bool { return s.ID == n }) {
		return lake.Version{Snapshot: n}, nil
	}
	if n > q.State.Commit {
		return lake.Version{}, usagef("%s has no version %d; the last commit is %d", table, n, q.State.Commit)
	}
	return lake.Version{Commit: n}, nil
}
