package project

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/engine"
	"github.com/lakeflow/lakeflow/engine/query"
)

// TestMain collects garbage as seldom as the program does, for the rows are in DuckDB's memory.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

// put writes a file, and its folder.
func put(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// mustOpen opens a project until the test ends.
func mustOpen(t *testing.T, file string, opts Options) *Project {
	t.Helper()
	p, err := Open(t.Context(), file, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// mustRun does an update that must succeed.
func mustRun(t *testing.T, file string, opts engine.Options, params ...Param) {
	t.Helper()
	p, err := Open(t.Context(), file, Options{Purpose: Write, Params: params})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Run(t.Context(), opts)
	if err := errors.Join(err, p.Close()); err != nil {
		t.Fatal(err)
	}
}

// mustAudit expects that everything stored is accounted for.
func mustAudit(t *testing.T, file string) {
	t.Helper()
	p, err := Open(t.Context(), file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	if r, err := p.Audit(t.Context(), false); err != nil || !r.OK {
		t.Fatalf("audit: %v, %+v", err, r)
	}
}

// read gives the rows of a query, their values divided by commas.
func read(t *testing.T, p *Project, text string) (all []string) {
	t.Helper()
	rows, err := p.Query(t.Context(), text, query.DuckDB, query.Texts)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var row []string
		for _, v := range rows.Values() {
			row = append(row, v.String)
		}
		all = append(all, strings.Join(row, ","))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return all
}
