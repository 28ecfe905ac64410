package project

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/query"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// LetterFilter selects dead letters; what is empty selects all.
type LetterFilter struct {
	Table  string
	Rule   string // an expectation that the row broke
	Update string // the id of an update, or its beginning
	Status string // open or failed_update
	Limit  int    // how many at most; 0 is all
}

// DeadLetters lists rows and records that were not written, newest first. A filter that can match nothing, which a slip
// of the pen looks like, is a *UsageError. The caller closes the rows.
func (p *Project) DeadLetters(ctx context.Context, f LetterFilter, values query.Values) (*query.Rows, error) {
	if f.Limit < 0 {
		return nil, usagef("limit", "%d: write 0 for all, or how many", f.Limit)
	}
	f.Table = schemas.LocalName(p.Pipeline.Target.Schema, f.Table)
	letters, err := p.letters(ctx)
	if err != nil {
		return nil, p.hide(err)
	}
	if err := errors.Join(p.checkLetterFilter(f), p.checkRule(ctx, letters, f.Rule)); err != nil {
		return nil, p.hide(err)
	}
	text := fmt.Sprintf(`SELECT id, "table", list_transform(violated, lambda v: v.name) AS violated, left(error, 60) AS error, file, line,
coalesce("row", TRY(decode(raw)), CAST(raw AS VARCHAR)) AS "row", first_seen, status
FROM %s WHERE %s ORDER BY first_seen DESC, id`, letters, f.condition())
	if f.Limit > 0 {
		text += fmt.Sprintf(" LIMIT %d", f.Limit)
	}
	return p.readLetters(ctx, text, values)
}

// DeadLetter gives everything known of the dead letters whose ids begin with id. That there are none is an error. The
// caller closes the rows.
func (p *Project) DeadLetter(ctx context.Context, id string, values query.Values) (*query.Rows, error) {
	letters, err := p.letters(ctx)
	if err != nil {
		return nil, p.hide(err)
	}
	from := fmt.Sprintf("FROM %s WHERE starts_with(id, %s)", letters, sqltext.Literal(id))
	var n int64
	if err := p.db.Conn().QueryRowContext(ctx, "SELECT count(*) "+from).Scan(&n); err != nil {
		return nil, p.hide(lettersError(err))
	}
	if n == 0 {
		return nil, p.hide(fmt.Errorf("no dead letter's id begins with %q; lakeflow dead-letters list shows them", id))
	}
	return p.readLetters(ctx, `SELECT * REPLACE (TRY_CAST("row" AS JSON) AS "row", coalesce(TRY(decode(raw)), CAST(raw AS VARCHAR)) AS raw) `+
		from+" ORDER BY id", values)
}

func (p *Project) readLetters(ctx context.Context, text string, values query.Values) (*query.Rows, error) {
	return p.shown(query.Run(ctx, p.db, text, values, lettersError))
}

func lettersError(err error) error { return fmt.Errorf("read the dead letters: %w", err) }

// letters is the dead-letter table as a table expression.
func (p *Project) letters(ctx context.Context) (string, error) {
	stored, err := p.tables().Relations(ctx, p.Pipeline.DeadLetter.Table)
	if err != nil {
		return "", err
	}
	if letters, ok := stored[p.Pipeline.DeadLetter.Table]; ok {
		return letters, nil
	}
	return duck.Empty(schemas.DeadLetter()), nil
}

// condition is the filter in SQL.
func (f LetterFilter) condition() string {
	where := []string{"true"}
	if f.Table != "" {
		where = append(where, `"table" = `+sqltext.Literal(f.Table))
	}
	if f.Status != "" {
		where = append(where, "status = "+sqltext.Literal(f.Status))
	}
	if f.Rule != "" {
		where = append(where, fmt.Sprintf("list_contains(list_transform(violated, lambda v: v.name), %s)", sqltext.Literal(f.Rule)))
	}
	if f.Update != "" {
		where = append(where, fmt.Sprintf("starts_with(update_id, %s)", sqltext.Literal(f.Update)))
	}
	return strings.Join(where, " AND ")
}

// checkLetterFilter refuses a status and a table that there are not.
func (p *Project) checkLetterFilter(f LetterFilter) error {
	if f.Status != "" && f.Status != expectations.StatusOpen && f.Status != expectations.StatusFailedUpdate {
		return usagef("status", "%s is not known; use %s or %s", f.Status, expectations.StatusOpen, expectations.StatusFailedUpdate)
	}
	var names []string
	for _, t := range p.Pipeline.Tables {
		names = append(names, t.Name)
	}
	if _, stored := p.place.state.Tables[f.Table]; f.Table != "" && !stored && !slices.Contains(names, f.Table) {
		return usagef("table", "%s: the pipeline has no such table; %s", f.Table, diag.DidYouMean(f.Table, names, "lakeflow plan lists them"))
	}
	return nil
}

// checkRule refuses a rule that neither the pipeline has nor a dead letter.
func (p *Project) checkRule(ctx context.Context, letters, rule string) error {
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
	text := fmt.Sprintf("SELECT coalesce(bool_or(list_contains(list_transform(violated, lambda v: v.name), %s)), false) FROM %s", sqltext.Literal(rule), letters)
	if err := p.db.Conn().QueryRowContext(ctx, text).Scan(&known); err != nil {
		return lettersError(err)
	}
	if known {
		return nil
	}
	return usagef("rule", "%s: the pipeline has no such expectation; %s", rule, diag.DidYouMean(rule, names, "lakeflow plan lists them"))
}
