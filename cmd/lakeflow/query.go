package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks"
)

func newQueryCmd(flags *globalFlags) *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   `query "SQL"`,
		Short: "Query the published tables, event_log and dead letters included",
		Long: `Run one SELECT, DESCRIBE, SUMMARIZE or SHOW over the published tables and the pipeline's views. All tables are read as the last commit
left them. A table may be followed by VERSION AS OF, with a commit number or snapshot id, or TIMESTAMP AS OF, with a time in UTC.`,
		Example: `  lakeflow query "SELECT * FROM gold_routes"
  lakeflow query "SHOW TABLES" -f flights/pipeline.yaml
  lakeflow query "SELECT count(*) FROM gold_routes VERSION AS OF 3" -f flights/pipeline.yaml --format json
  lakeflow query "SELECT * FROM gold_routes FOR TIMESTAMP AS OF '2025-01-31 12:00:00'" --format csv`,
		Args:              checkArgs(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if rowsWriter(format) == nil {
				return unknownFormat(format, "table, json or csv")
			}
			p, err := openProject(cmd.Context(), flags.pipeline, flags, lakeOnly)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, p.Close()) }()
			s, err := p.readStatement(args[0])
			if err != nil {
				return err
			}
			if err := s.check(cmd.Context(), p.DB); err != nil {
				return err
			}
			q := &queryNames{project: p, missing: map[string]string{}}
			if err := q.make(cmd.Context(), s.travels); err != nil {
				return err
			}
			if err := q.readable(s); err != nil {
				return err
			}
			if allTables.MatchString(s.Text) {
				return p.show(cmd, "SELECT schema, name, column_names, column_types FROM (SHOW ALL TABLES) WHERE schema = "+sqltext.Literal(p.Pipeline.Target.Schema), format)
			}
			return q.explain(p.show(cmd, s.Text, format), s, format)
		},
	}
	formatFlag(cmd, &format, "table", "table", "json", "csv")
	return cmd
}

// allTables is a query for the tables of all schemas. Those of which every table is a view here are left out, beside the pipeline's own.
var allTables = regexp.MustCompile(`^(?i:\s*SHOW\s+ALL\s+TABLES[\s;]*)$`)

// formatFlag adds --format. The command checks the value.
func formatFlag(cmd *cobra.Command, format *string, preset string, known ...string) {
	last := len(known) - 1
	cmd.Flags().StringVar(format, "format", preset, strings.Join(known[:last], ", ")+" or "+known[last])
	cobra.CheckErr(cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(known, cobra.ShellCompDirectiveNoFileComp)))
}

// completePipeline lets the shell offer pipeline files.
func completePipeline(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// queryNames are the relations that a query may name.
type queryNames struct {
	*project
	known   []string          // relations that were made
	missing map[string]string // views that could not be made, and why
}

// make makes a relation of every published table, of every earlier version that the query asks for, and of every view.
func (q *queryNames) make(ctx context.Context, travels []sqltext.Travel) error {
	for _, schema := range []string{q.Pipeline.Target.Schema, sqltext.StreamSchema} {
		if err := q.DB.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+duck.Ident(schema)); err != nil {
			return err
		}
	}
	stored, err := q.relations(ctx)
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

// systemTables are the tables that every pipeline has, also before anything is written to them.
func (p *project) systemTables() map[string]schemas.Table {
	return map[string]schemas.Table{"event_log": schemas.EventLog(), p.Pipeline.DeadLetter.Table: schemas.DeadLetter()}
}

// relations are tables by name, all of them without names, as table expressions. What is not stored is left out. All are as one commit left them: the last
// one when the command began, or, when a commit of an update has expired it meanwhile, the last one now.
func (p *project) relations(ctx context.Context, names ...string) (map[string]string, error) {
	const attempts = 50
	for n := 1; ; n++ {
		stored, err := p.relationsNow(ctx, names)
		if !errors.Is(err, sinks.ErrNoTable) {
			return stored, err
		}
		state, failure := p.Lake.State(ctx)
		switch {
		case failure != nil:
			return nil, failure
		case state.Commit == p.State.Commit:
			return nil, err
		case n == attempts:
			return nil, fmt.Errorf("%w; versions expire faster than they are looked up: raise retention.snapshots", err)
		}
		p.State = state
	}
}

// relationsNow is relations as of the commit that is known. The error is sinks.ErrNoTable when that was expired.
func (p *project) relationsNow(ctx context.Context, names []string) (map[string]string, error) {
	out := map[string]string{}
	for name, t := range p.State.Tables {
		if len(names) > 0 && !slices.Contains(names, name) || len(names) == 0 && schemas.Hidden(name) {
			continue
		}
		if t.Snapshot == 0 {
			out[name] = duck.Empty(t.Schema)
			continue
		}
		contents, err := p.Lake.Files(ctx, name, sinks.Version{Commit: p.State.Commit})
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		out[name] = p.shown(name, duck.ReadFiles(contents.Schema, contents.Files))
	}
	return out, nil
}

// shown is a table as it may be shown: paths of files, and messages about them, may have secrets in them, where the pipeline file has one in the path of a source.
func (p *project) shown(name, relation string) string {
	file, message := p.Pipeline.Secrets.HideSQL(`"file"`), p.Pipeline.Secrets.HideSQL(`"error"`)
	if name != p.Pipeline.DeadLetter.Table || file == `"file"` {
		return relation
	}
	return fmt.Sprintf(`(SELECT * REPLACE (%s AS "file", %s AS "error") FROM %s)`, file, message, relation)
}

// create makes a relation that answers to the name by itself, behind the pipeline's schema as in the pipeline's own queries, and
// behind STREAM, which outside of an update gives all rows.
func (q *queryNames) create(ctx context.Context, name, query string) error {
	if err := q.DB.Exec(ctx, "CREATE VIEW main."+duck.Ident(name)+" AS "+query+"\n"); err != nil {
		return err
	}
	q.known = append(q.known, name)
	for _, schema := range []string{q.Pipeline.Target.Schema, sqltext.StreamSchema} {
		if err := q.DB.Exec(ctx, fmt.Sprintf("CREATE VIEW IF NOT EXISTS %s.%s AS SELECT * FROM main.%[2]s", duck.Ident(schema), duck.Ident(name))); err != nil {
			return err
		}
	}
	return nil
}

// makeViews makes the pipeline's views, each after those that it reads. A view that reads what is not stored is noted as missing.
func (q *queryNames) makeViews(ctx context.Context) error {
	var waiting []*dsl.Table
	for _, t := range q.Pipeline.Tables {
		if t.Kind == dsl.View && len(t.Flows) > 0 && t.Flows[0].SQL != nil {
			waiting = append(waiting, t)
		}
	}
	for progress := true; progress; {
		progress = false
		waiting = slices.DeleteFunc(waiting, func(t *dsl.Table) bool {
			err := q.createView(ctx, t.Name, t.Flows[0].SQL.Text)
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
func (q *queryNames) createView(ctx context.Context, name, query string) error {
	in, err := plan.Inspect(ctx, q.DB.Conn(), query)
	switch {
	case err != nil:
		return err
	case in.Failed != nil || in.Statements != 1:
		return errors.New("its query is not one SELECT; lakeflow validate says more")
	case len(in.Refused) > 0:
		return errors.New(in.Refused[0].Message + "; lakeflow validate says more")
	}
	return q.create(ctx, name, query)
}

// readable refuses relations that are neither tables nor views: files, and DuckDB's own lists, which tell where files are.
func (q *queryNames) readable(s *statement) error {
	known := slices.Clone(q.known)
	for _, t := range s.travels {
		known = append(known, t.Relation)
	}
	ours := []string{"", "main", q.Pipeline.Target.Schema, sqltext.StreamSchema}
	for _, r := range s.relations {
		standard := strings.EqualFold(r.Schema, "information_schema") && fold([]string{"tables", "columns", "schemata"}, r.Name)
		recurring := r.Catalog == "" && strings.EqualFold(r.Schema, "recurring") // DuckDB's name for all rows of a recursive query
		here := fold([]string{"", "memory"}, r.Catalog) && fold(ours, r.Schema)
		switch {
		case standard, recurring, here && fold(known, r.Name):
		case !here && fold(known, r.Name):
			return fmt.Errorf("query: %s is not in schema %s; write %[1]s alone%s", r.Name, r.Schema, s.caretAt(r.At))
		default:
			return fmt.Errorf("query: %s%s", q.whyUnknown(r.Name), s.caretAt(r.At))
		}
	}
	return nil
}

// fold reports whether a name is among others, letter case aside.
func fold(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

// whyMissing says why a view cannot be made.
func (q *queryNames) whyMissing(err error) string {
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

func (q *queryNames) isSource(name string) bool {
	return slices.ContainsFunc(q.Pipeline.Sources, func(s *dsl.Source) bool { return strings.EqualFold(s.Name, name) })
}

// whyUnknown says why there is no relation of that name, and what to do.
func (q *queryNames) whyUnknown(name string) string {
	for view, why := range q.missing {
		if strings.EqualFold(view, name) {
			return fmt.Sprintf("view %s cannot be queried: %s", view, why)
		}
	}
	for _, t := range q.Pipeline.Tables {
		if strings.EqualFold(t.Name, name) {
			return fmt.Sprintf("table %s has no rows yet; run the pipeline first: lakeflow run", t.Name)
		}
	}
	if q.isSource(name) {
		return fmt.Sprintf("%s is a source, whose rows are not stored; query a table that it feeds", name)
	}
	return fmt.Sprintf("there is no table %s; %s", name, diag.DidYouMean(name, q.known, "see what there is with SHOW TABLES"))
}

// travel makes the relation of an earlier version of a table.
func (q *queryNames) travel(ctx context.Context, t sqltext.Travel) error {
	name := ""
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
	at, err := q.version(ctx, name, t)
	if err != nil {
		return err
	}
	contents, err := q.Lake.Files(ctx, name, at)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	return q.DB.Exec(ctx, fmt.Sprintf("CREATE VIEW main.%s AS SELECT * FROM %s", duck.Ident(t.Relation), q.shown(name, duck.ReadFiles(contents.Schema, contents.Files))))
}

// version reads what stands after AS OF: a time, a snapshot id, or a commit number.
func (q *queryNames) version(ctx context.Context, table string, t sqltext.Travel) (sinks.Version, error) {
	if t.Version == "" {
		var at time.Time
		err := q.DB.Conn().QueryRowContext(ctx, "SELECT CAST(? AS TIMESTAMPTZ)", t.Timestamp).Scan(&at)
		if err != nil {
			return sinks.Version{}, usagef("%q is not a time; write it as '2025-01-31 12:00:00'", t.Timestamp)
		}
		return sinks.Version{AsOf: at}, nil
	}
	n, err := strconv.ParseInt(t.Version, 10, 64)
	if err != nil || n <= 0 {
		return sinks.Version{}, usagef("%q is not a version; write a commit number or a snapshot id", t.Version)
	}
	history, err := q.Lake.History(ctx, table)
	if err != nil {
		return sinks.Version{}, fmt.Errorf("read the history of %s: %w", table, err)
	}
	if slices.ContainsFunc(history, func(s sinks.Snapshot) bool { return s.ID == n }) {
		return sinks.Version{Snapshot: n}, nil
	}
	if n > q.State.Commit {
		return sinks.Version{}, usagef("%s has no version %d; the last commit is %d", table, n, q.State.Commit)
	}
	return sinks.Version{Commit: n}, nil
}

// show runs a query and writes its rows. DuckDB writes the values, nested ones too.
func (p *project) show(cmd *cobra.Command, query, format string) error {
	before, after := wrapping(format)
	rows, err := p.DB.Conn().QueryContext(cmd.Context(), before+query+after)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	return rowsWriter(format)(rows, cmd.OutOrStdout())
}

// wrapping turns the values of a query into texts, of JSON where that is asked for. It names nothing, so that columns may have any name; of two
// with one name, DuckDB numbers the second. The line break ends a comment.
func wrapping(format string) (before, after string) {
	if format == "json" {
		return "SELECT CAST(to_json(COLUMNS(*)) AS VARCHAR) FROM (", "\n)"
	}
	return "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (", "\n)"
}
