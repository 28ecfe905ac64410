package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// floorCommand and timedCommand make this program a child that runs the SQL of its input on plain DuckDB.
const (
	floorCommand = "floor"
	timedCommand = "timed"
)

// timedMark is the line of the input before which the SQL is not timed.
const timedMark = "\n-- timed\n"

// openFloor opens a DuckDB in memory and reads the SQL to run on it.
func openFloor(in io.Reader) (*sql.DB, string, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return nil, "", fmt.Errorf("read SQL: %w", err)
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, "", fmt.Errorf("open duckdb: %w", err)
	}
	return sql.OpenDB(connector), string(text), nil
}

// runTimed runs statements, and writes how long those behind timedMark took.
func runTimed(ctx context.Context, _ []string, in io.Reader, out io.Writer) (err error) {
	db, text, err := openFloor(in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	before, timed, _ := strings.Cut(text, timedMark)
	if _, err := db.ExecContext(ctx, before); err != nil {
		return err
	}
	began := time.Now()
	if _, err := db.ExecContext(ctx, timed); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, time.Since(began))
	return err
}

// runFloor runs statements and writes the first column of what the last one returns.
func runFloor(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	db, text, err := openFloor(in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rows, err := db.QueryContext(ctx, text)
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
