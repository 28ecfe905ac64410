package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

func newDeadLettersCmd(flags *globalFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "dead-letters",
		Short:   "Look at rows and records that were not written",
		Example: "  lakeflow dead-letters list\n  lakeflow dead-letters show 0f3a -f flights/pipeline.yaml",
		Args:    checkArgs(cobra.NoArgs),
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLettersListCmd(flags), newLettersShowCmd(flags))
	return cmd
}

func newLettersListCmd(flags *globalFlags) *cobra.Command {
	var table, rule, update, status string
	var limit int
	cmd := lettersCmd(flags, "table", func(ctx context.Context, p *project, letters string, _ []string) (string, error) {
		if limit < 0 {
			return "", usagef("--limit %d: write 0 for all, or how many", limit)
		}
		where := []string{"true"}
		equals := func(column, value string) {
			if value != "" {
				where = append(where, fmt.Sprintf("%s = %s", column, sqltext.Literal(value)))
			}
		}
		equals(`"table"`, table)
		equals("status", status)
		if rule != "" {
			where = append(where, fmt.Sprintf("list_contains(list_transform(violated, lambda v: v.name), %s)", sqltext.Literal(rule)))
		}
		if update != "" {
			where = append(where, fmt.Sprintf("starts_with(update_id, %s)", sqltext.Literal(update)))
		}
		query := fmt.Sprintf(`SELECT id, "table", list_transform(violated, lambda v: v.name) AS violated, left(error, 60) AS error, file, line, first_seen, status
FROM %s WHERE %s ORDER BY first_seen DESC, id`, letters, strings.Join(where, " AND "))
		if limit > 0 {
			query += fmt.Sprintf(" LIMIT %d", limit)
		}
		return query, errors.Join(p.checkLetterFilters(table, status), p.checkRule(ctx, letters, rule))
	})
	cmd.Use, cmd.Short, cmd.Args = "list", "List the dead letters, newest first", checkArgs(cobra.NoArgs)
	cmd.Example = `  lakeflow dead-letters list -f pipeline.yaml
  lakeflow dead-letters list --table silver_flights --rule known_delay --limit 20
  lakeflow dead-letters list --update 3f2c --format csv`
	f := cmd.Flags()
	f.StringVar(&table, "table", "", "only those of this table")
	f.StringVar(&rule, "rule", "", "only rows that broke this expectation")
	f.StringVar(&update, "update", "", "only those of this update: its id, or the beginning of it")
	f.StringVar(&status, "status", "", "only those of this status: open or failed_update")
	f.IntVar(&limit, "limit", 0, "how many to list at most; 0 for all")
	return cmd
}

// checkLetterFilters refuses filters that can match nothing, which a slip of the pen looks like.
func (p *project) checkLetterFilters(table, status string) error {
	if status != "" && status != expectations.StatusOpen && status != expectations.StatusFailedUpdate {
		return usagef("--status %s is not known; use %s or %s", status, expectations.StatusOpen, expectations.StatusFailedUpdate)
	}
	var names []string
	for _, t := range p.Pipeline.Tables {
		names = append(names, t.Name)
	}
	if _, stored := p.State.Tables[table]; table != "" && !stored && !slices.Contains(names, table) {
		return usagef("--table %s: the pipeline has no such table; %s", table, diag.DidYouMean(table, names, "lakeflow plan lists them"))
	}
	return nil
}

// checkRule refuses a rule that neither the pipeline has nor a dead letter.
func (p *project) checkRule(ctx context.Context, letters, rule string) error {
	var names []string
	for _, t := range p.Pipeline.Tables {
		for _, e := range t.Expectations {
			names = append(names, e.Name)
		}
	}
	if rule == "" || slices.Contains(names, rule) {
		return nil
	}
	var known bool
	query := fmt.Sprintf("SELECT coalesce(bool_or(list_contains(list_transform(violated, lambda v: v.name), %s)), false) FROM %s", sqltext.Literal(rule), letters)
	if err := p.DB.Conn().QueryRowContext(ctx, query).Scan(&known); err != nil {
		return fmt.Errorf("read the dead letters: %w", err)
	}
	if known {
		return nil
	}
	return usagef("--rule %s: the pipeline has no such expectation; %s", rule, diag.DidYouMean(rule, names, "lakeflow plan lists them"))
}

func newLettersShowCmd(flags *globalFlags) *cobra.Command {
	cmd := lettersCmd(flags, "json", func(ctx context.Context, p *project, letters string, args []string) (string, error) {
		from := fmt.Sprintf("FROM %s WHERE starts_with(id, %s)", letters, sqltext.Literal(args[0]))
		var n int64
		if err := p.DB.Conn().QueryRowContext(ctx, "SELECT count(*) "+from).Scan(&n); err != nil {
			return "", fmt.Errorf("read the dead letters: %w", err)
		}
		if n == 0 {
			return "", fmt.Errorf("no dead letter's id begins with %q; lakeflow dead-letters list shows them", args[0])
		}
		return `SELECT * REPLACE (TRY_CAST("row" AS JSON) AS "row", coalesce(TRY(decode(raw)), CAST(raw AS VARCHAR)) AS raw) ` + from + " ORDER BY id", nil
	})
	cmd.Use, cmd.Short, cmd.Args = "show ID", "Show everything known of a dead letter", checkArgs(cobra.ExactArgs(1))
	cmd.Long = "Show everything known of the dead letter with an id, or of those whose ids begin so."
	cmd.Example = "  lakeflow dead-letters show 0f3a -f pipeline.yaml"
	return cmd
}

// lettersCmd is a command that shows a query over the dead-letter table.
func lettersCmd(flags *globalFlags, preset string, query func(ctx context.Context, p *project, letters string, args []string) (string, error)) *cobra.Command {
	var format string
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, args []string) (err error) {
		if rowsWriter(format) == nil {
			return unknownFormat(format, "table, json or csv")
		}
		p, err := openProject(cmd.Context(), flags.pipeline, flags, lakeOnly)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.Close()) }()
		stored, err := p.relations(cmd.Context(), p.Pipeline.DeadLetter.Table)
		if err != nil {
			return err
		}
		letters, ok := stored[p.Pipeline.DeadLetter.Table]
		if !ok {
			letters = duck.Empty(schemas.DeadLetter())
		}
		text, err := query(cmd.Context(), p, letters, args)
		if err != nil {
			return err
		}
		if err := p.show(cmd, text, format); err != nil {
			return fmt.Errorf("read the dead letters: %w", err)
		}
		return nil
	}}
	formatFlag(cmd, &format, preset, "table", "json", "csv")
	return cmd
}
