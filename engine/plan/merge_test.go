package plan_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/plan"
)

// merged compiles a pipeline with one table that changes are applied to, whose auto_cdc is given.
func merged(t *testing.T, schema, autoCDC, more string) (plan.Input, *plan.Dataset) {
	t.Helper()
	in, _ := load(t, []txtar.File{{Name: "pipeline.yaml", Data: []byte("name: demo\nsources:\n  feed:\n" +
		"    files: {path: \"data/*.json\", format: json}\n    schema: {" + schema + "}\n" +
		"tables:\n  target:\n    kind: streaming_table\n    auto_cdc: {" + autoCDC + "}\n" + more)}})
	p, diags, err := plan.Compile(context.Background(), in)
	if err != nil || len(diags) > 0 {
		t.Fatal([]diag.Diagnostic(diags), err)
	}
	return in, p.Dataset("target")
}

// applied gives what the evaluator is given of rows of the feed: those that the rules let through.
func applied(t *testing.T, in plan.Input, d *plan.Dataset, rows ...string) []string {
	t.Helper()
	feed := in.SourceColumns["feed"].SQLColumns()
	exec(t, in.Conn, "CREATE SCHEMA IF NOT EXISTS __stream", "CREATE OR REPLACE TABLE __stream.feed("+feed+")",
		"INSERT INTO __stream.feed VALUES "+strings.Join(rows, ", "))
	exec(t, in.Conn, "CREATE OR REPLACE TEMP TABLE __rows AS "+d.Flows[0].Project) // with statistics
	return query(t, in.Conn, "SELECT "+d.Merge.Changes+" FROM ("+d.Rules.KeptSQL("__rows")+") ORDER BY ALL NULLS LAST")
}

func TestChanges(t *testing.T) {
	const schema = "id: BIGINT, region: VARCHAR, op: VARCHAR, ts: VARCHAR, lsn: BIGINT"
	for name, c := range map[string]struct {
		autoCDC    string
		rows, want []string
	}{
		"what a change does": {
			`from: STREAM feed, keys: [id], sequence_by: lsn, apply_as_delete: "op = 'D' OR op = 'DT'",
				apply_as_truncate: "op IN ('T', 'DT')", columns: [lsn, id]`,
			[]string{
				"(1, 'a', 'U', '', 1)", "(2, 'a', 'D', '', 2)", "(3, 'a', 'T', '', 3)", "(NULL, 'a', 'DT', '', 4)",
				"(5, 'a', NULL, '', 5)",
			},
			[]string{
				"{'lsn': 1, 'id': 1, '__sequence': 1, '__op': upsert}",
				"{'lsn': 2, 'id': 2, '__sequence': 2, '__op': delete}",
				"{'lsn': 3, 'id': NULL, '__sequence': 3, '__op': truncate}",
				"{'lsn': 4, 'id': NULL, '__sequence': 4, '__op': truncate}",
				"{'lsn': 5, 'id': 5, '__sequence': 5, '__op': upsert}",
			},
		},
		"NULL keys and sequences": {
			`from: STREAM feed, keys: [id, region], sequence_by: lsn, columns: [id, region]`,
			[]string{"(NULL, 'a', '', '', 1)", "(2, NULL, '', '', 2)", "(3, 'a', '', '', NULL)", "(4, 'a', '', '', 4)"},
			[]string{"{'id': 4, 'region': a, '__sequence': 4, '__op': upsert}"},
		},
		"a sequence of several parts": {
			`from: STREAM feed, keys: [id], sequence_by: [lsn, "length(ts)", TS], columns: [id]`,
			[]string{"(1, '', '', 'x', 7)", "(2, '', '', NULL, 7)", "(3, '', '', 'x', NULL)"},
			[]string{"{'id': 1, '__sequence': {'lsn': 7, 'sequence_2': 1, 'ts': x}, '__op': upsert}"},
		},
		"errors in them": {
			`from: STREAM feed, keys: [id], sequence_by: "CAST(ts AS INTEGER)",
				apply_as_delete: CAST(op AS INTEGER) = 1, columns: [id]`,
			[]string{
				"(1, '', '1', '10', 0)", "(2, '', 'one', '10', 0)", "(3, '', '0', 'ten', 0)",
				"(4, '', '0', '99999999999', 0)", "(5, '', NULL, '11', 0)",
			},
			[]string{"{'id': 1, '__sequence': 10, '__op': delete}", "{'id': 5, '__sequence': 11, '__op': upsert}"},
		},
		"errors in a truncate": {
			`from: STREAM feed, keys: [id], sequence_by: lsn, apply_as_truncate: CAST(op AS INTEGER) = 1 -- one, columns: [id]`,
			[]string{
				"(1, '', 'one', '', 1)", "(NULL, '', 'one', '', 1)", "(NULL, '', '0', '', 1)",
				"(NULL, '', '1', '', 1)", "(5, '', '0', '', 5)",
			},
			[]string{"{'id': 5, '__sequence': 5, '__op': upsert}", "{'id': NULL, '__sequence': 1, '__op': truncate}"},
		},
		"names that conditions share with what is added": {
			`sql: "SELECT *, op AS __op, 'x' AS __sequence FROM STREAM feed", keys: [id], sequence_by: lsn + 1,
				apply_as_delete: __op = 'D' AND __sequence = 'x', columns: [id, lsn]`,
			[]string{"(1, '', 'D', '', 1)"},
			[]string{"{'id': 1, 'lsn': 1, '__sequence': 2, '__op': delete}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, d := merged(t, schema, c.autoCDC, "")
			if diff := cmp.Diff(c.want, applied(t, in, d, c.rows...)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChangesOfOddNames(t *testing.T) {
	in, d := merged(t, `'a"b': BIGINT, 'x''y': INTEGER, Größe: INTEGER`,
		`from: STREAM feed, keys: ['a"b'], sequence_by: ['"x''y"', Größe, '"a""b"'], columns: '* EXCEPT ("x''y")'`, "")
	want := []string{`{'a"b': 1, 'Größe': 3, '__sequence': {'x\'y': 2, 'Größe': 3, 'a"b': 1}, '__op': upsert}`}
	if diff := cmp.Diff(want, applied(t, in, d, "(1, 2, 3)", "(NULL, 2, 3)")); diff != "" {
		t.Error(diff)
	}
	if name := d.Rules.Rules[0].Name; name != `key_is_not_null(a"b)` {
		t.Error(name)
	}
}

// The rules see all columns of the changes, and come before those that auto_cdc brings.
func TestRulesOfChanges(t *testing.T) {
	in, d := merged(t, "id: BIGINT, op: VARCHAR, n: INTEGER",
		`from: STREAM feed, keys: [id], sequence_by: n, apply_as_delete: op = 'D', columns: "* EXCEPT (op)"`,
		"    expectations: {known: {expect: \"op IN ('U', 'D')\", on_violation: drop}}\n")
	var names []string
	for _, r := range d.Rules.Rules {
		names = append(names, r.Name)
	}
	want := []string{"known", "key_is_not_null(id)", "sequence_is_not_null", "operation_is_known"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if got := applied(t, in, d, "(1, 'U', 1)", "(2, 'X', 1)", "(3, NULL, 1)"); len(got) != 1 {
		t.Error(got)
	}
	broken := query(t, in.Conn, "SELECT __json::JSON AS row FROM ("+d.Rules.BrokenSQL("__rows")+") ORDER BY 1")
	want = []string{`{'row': '{"id":2,"op":"X","n":1}'}`, `{'row': '{"id":3,"op":null,"n":1}'}`}
	if diff := cmp.Diff(want, broken); diff != "" {
		t.Error(diff)
	}
}

// What an edit changes is told part by part; columns that come with the query are no edit.
func TestDeclaredChanges(t *testing.T) {
	const schema, base = "id: BIGINT, op: VARCHAR, n: INTEGER", "from: STREAM feed, keys: [id], sequence_by: n, "
	declared := func(schema, autoCDC string) map[string]string {
		_, d := merged(t, schema, autoCDC, "")
		return d.Merge.Declared
	}
	const deletes = "apply_as_delete: op = 'D'"
	was := declared(schema, base+deletes)
	for _, same := range []string{
		base + "apply_as_delete: \"op   = 'D' -- gone\"", base + deletes + ", scd_type: 1, columns: \"*\"",
		"sql: SELECT * FROM STREAM feed, keys: [ID], sequence_by: [n], ignore_null_updates: false, " + deletes,
		base + "tombstone_retention: 1h, " + deletes,
	} {
		if diff := cmp.Diff(was, declared(schema, same)); diff != "" {
			t.Errorf("%s: %s", same, diff)
		}
	}
	if diff := cmp.Diff(was, declared(schema+", tier: VARCHAR", base+deletes)); diff != "" {
		t.Errorf("a column more: %s", diff)
	}
	for part, edit := range map[string]string{
		"keys":                "from: STREAM feed, keys: [id, op], sequence_by: n, " + deletes,
		"sequence_by":         "from: STREAM feed, keys: [id], sequence_by: n + 1, " + deletes,
		"apply_as_delete":     base + "apply_as_delete: op = 'X'",
		"apply_as_truncate":   base + "apply_as_truncate: op = 'T', " + deletes,
		"columns":             base + "columns: [id, n], " + deletes,
		"ignore_null_updates": base + "ignore_null_updates: true, " + deletes,
		"scd_type":            base + "scd_type: 2, " + deletes,
	} {
		now := declared(schema, edit)
		if now[part] == was[part] {
			t.Errorf("%s is the same: %v", part, now)
		}
		delete(now, part)
		left := map[string]string{}
		for key, value := range was {
			if key != part {
				left[key] = value
			}
		}
		if diff := cmp.Diff(left, now); diff != "" {
			t.Errorf("%s changed more: %s", part, diff)
		}
	}
	history := declared(schema, base+"scd_type: 2")
	tracked := declared(schema, base+"scd_type: 2, track_history_on: [op]")
	if tracked["track_history_on"] == history["track_history_on"] {
		t.Error("track_history_on is the same")
	}
}
