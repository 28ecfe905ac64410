package jsonrecords

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// Prove lets DuckDB read fitted records from a file at the path, and gives a reason to those that it refuses. What Fit
// takes DuckDB reads; this is for the case that they disagree, which must cost the record and not the update.
func (f *Fitter) Prove(ctx context.Context, fitted []Fitted, path string) error {
	f.judge.one.Lock()
	defer f.judge.one.Unlock()
	var taken []*Fitted
	for i := range fitted {
		if fitted[i].Reason == "" {
			taken = append(taken, &fitted[i])
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return errors.Join(f.prove(ctx, taken, path), os.Remove(path))
}

// prove halves the records until those that are refused are alone.
func (f *Fitter) prove(ctx context.Context, taken []*Fitted, path string) error {
	refused, err := f.readBack(ctx, taken, f.tree.typ.Fields, path)
	switch {
	case err != nil || !refused:
		return err
	case len(taken) == 1:
		return f.refuse(ctx, taken[0], path)
	}
	half := len(taken) / 2
	if err := f.prove(ctx, taken[:half], path); err != nil {
		return err
	}
	return f.prove(ctx, taken[half:], path)
}

// refuse finds the columns that a refused record is refused for.
func (f *Fitter) refuse(ctx context.Context, one *Fitted, path string) error {
	var reasons []string
	members := map[string]json.RawMessage{}
	_ = json.Unmarshal(one.Text, &members) // Fit wrote it
	for _, c := range f.tree.typ.Fields {
		if members[c.Name] == nil {
			continue
		}
		refused, err := f.readBack(ctx, []*Fitted{one}, schemas.Table{c}, path)
		if err != nil {
			return err
		}
		if refused {
			reasons = append(reasons, misfitOf(c.Name, members[c.Name], c.Type))
		}
	}
	one.Reason = strings.Join(reasons, "; ")
	if one.Reason == "" {
		one.Reason = "the record can't be read with the columns of the source"
	}
	return nil
}

// readBack says whether DuckDB refuses one of the records. An error is about the world.
func (f *Fitter) readBack(ctx context.Context, taken []*Fitted, columns schemas.Table, path string) (refused bool, err error) {
	var lines bytes.Buffer
	longest := 0
	for _, t := range taken {
		lines.Write(append(t.Text, '\n'))
		longest = max(longest, len(t.Text))
	}
	if err := os.WriteFile(path, lines.Bytes(), 0o600); err != nil {
		return false, err
	}
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = quote.Text(c.Name) + ": " + quote.Text(c.Type.String())
	}
	var hash any
	err = f.judge.conn.QueryRowContext(ctx, fmt.Sprintf("SELECT bit_xor(hash(__lakeflow_row)) FROM read_json(%s, format='newline_delimited', records=true, columns={%s},"+
		" hive_partitioning=false, maximum_object_size=%d) AS __lakeflow_row", quote.Text(schemas.EscapeGlob(path)), strings.Join(items, ", "), longest+1024)).Scan(&hash)
	if err == nil || ctx.Err() != nil || duckerr.World(err) {
		return false, errors.Join(ctx.Err(), err)
	}
	return true, nil
}
