package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// floorCommand makes this program a child that runs the SQL of its input on plain DuckDB.
const floorCommand = "floor"

// runFloor runs statements and writes the first column of what the last one returns.
func runFloor(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return fmt.Errorf("read SQL: %w", err)
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return fmt.Errorf("open duckdb: %w", err)
	}
	db := sql.OpenDB(connector)
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, string(text))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells what went wrong
	for rows.Next() {
		var value any
		if err := rows.Scan(&value); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, value); err != nil {
			return err
		}
	}
	return rows.Err()
}
