package project

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lakeflow/lakeflow/engine/audit"
	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/query"
	"github.com/lakeflow/lakeflow/expectations/report"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/iceberg"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources/files"
)

// Query runs one SELECT, DESCRIBE, SUMMARIZE or SHOW over the published tables and the pipeline's views, all of them as
// one commit left them. See query.Prepare. The caller closes the rows before the next call. What is no query is a
// *UsageError.
func (p *Project) Query(ctx context.Context, text string, in query.Dialect, values query.Values) (*query.Rows, error) {
	s, err := query.Prepare(ctx, p.tables(), text, in)
	if err != nil {
		return nil, p.hide(usage(err))
	}
	return p.shown(s.Rows(ctx, values))
}

// shown are rows whose errors show no secrets.
func (p *Project) shown(rows *query.Rows, err error) (*query.Rows, error) {
	if err != nil {
		return nil, p.hide(err)
	}
	rows.Wrap(p.hide)
	return rows, nil
}

// Audit recounts what is stored and compares it with what every commit said that it wrote; deep reads every byte of the
// data files, and computes the rows again that can be. It changes nothing.
func (p *Project) Audit(ctx context.Context, deep bool) (*audit.Report, error) {
	in := audit.Input{Pipeline: p.Pipeline.Name, State: p.place.state, Lake: p.place.lake, DB: p.db,
		DeadLetter: p.Pipeline.DeadLetter.Table, Verify: files.Verify, Deep: deep, Again: p.Again()}
	for _, t := range p.Pipeline.Tables {
		in.Tables = append(in.Tables, t.Name)
	}
	if deep {
		in.Recompute = p.recompute(ctx)
	}
	r, err := auditAgain(ctx, in, p.place.lake)
	return r, p.hide(err)
}

// auditAgain audits, and begins again with the last commit when an update has expired the one that was to be audited.
func auditAgain(ctx context.Context, in audit.Input, from lake.Lake) (*audit.Report, error) {
	const attempts = 20
	for n := 1; ; n++ {
		r, err := audit.Run(ctx, in)
		if n == attempts || !errors.Is(err, lake.ErrExpired) {
			return r, err
		}
		if in.State, err = from.State(ctx); err != nil {
			return nil, err
		}
	}
}

// Report tells the data quality of an update: its id, or the beginning of one, or the latest when it is empty.
func (p *Project) Report(ctx context.Context, update string) (*report.Report, error) {
	r, err := p.report(ctx, update)
	return r, p.hide(err)
}

func (p *Project) report(ctx context.Context, update string) (*report.Report, error) {
	if p.place.state.Commit == 0 {
		return nil, fmt.Errorf("%s has no updates yet; start one with %s", p.Pipeline.Name, p.Again())
	}
	stored, err := p.tables().Relations(ctx, iceberg.EventLog, p.Pipeline.DeadLetter.Table)
	if err != nil {
		return nil, err
	}
	events, err := queryJSON[schemas.Event](ctx, p.db, fmt.Sprintf(`SELECT CAST(to_json(t) AS VARCHAR) FROM (
  SELECT * REPLACE (strftime("timestamp" AT TIME ZONE 'UTC', '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ') AS "timestamp") FROM %s) t`, stored[iceberg.EventLog]))
	if err != nil {
		return nil, fmt.Errorf("read the event log: %w", err)
	}
	r, err := report.Build(events, update)
	if err != nil {
		return nil, err
	}
	letters, ok := stored[p.Pipeline.DeadLetter.Table]
	if !ok {
		return r, nil
	}
	r.DeadLetters, err = queryJSON[report.DeadLetters](ctx, p.db, report.DeadLettersSQL(letters, r.UpdateID))
	if err != nil {
		return nil, fmt.Errorf("read the dead letters: %w", err)
	}
	return r, nil
}

// queryJSON reads the rows of a query of one column, a JSON text each.
func queryJSON[T any](ctx context.Context, db *duck.DB, query string) ([]T, error) {
	rows, err := db.Conn().QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	out := []T{}                        // not null in the report's JSON
	for rows.Next() {
		var text string
		var v T
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}
