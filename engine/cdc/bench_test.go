package cdc_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// BenchmarkApply applies 100,000 changes to tables of 1 and 5 million keys in Parquet files: 5 % deletes, 10 % older
// than what is stored, 5 % repetitions. MERGE does the same to a table in DuckDB's memory, without state. What counts
// is the median of the CPU time (cpu-ms), as the machine may be busy.
func BenchmarkApply(b *testing.B) {
	for _, keys := range []int{1_000_000, 5_000_000} {
		conn := open(b)
		exec(b, conn, "SET threads = 2")
		f := benchFiles{conn: conn, dir: b.TempDir(), keys: keys}
		f.write(b)
		b.Run(fmt.Sprintf("MERGE/%d", keys), f.merge)
		for _, c := range []struct {
			name string
			spec cdc.Spec
		}{
			{"type1", benchSpec()},
			{"type1ignore", ignoring(benchSpec())},
			{"type2", history(benchSpec())},
		} {
			b.Run(fmt.Sprintf("%s/%d", c.name, keys), func(b *testing.B) { f.apply(b, c.spec) })
		}
	}
}

func benchSpec() cdc.Spec {
	column := func(name string, kind schemas.Kind) schemas.Column {
		return schemas.Column{Name: name, Type: schemas.Type{Kind: kind}}
	}
	return cdc.Spec{
		Keys: []string{"id"}, Sequence: schemas.Type{Kind: schemas.BigInt},
		Columns: schemas.Table{column("id", schemas.BigInt), column("name", schemas.Varchar), column("city", schemas.Varchar),
			column("amount", schemas.Integer), column("score", schemas.Double), column("at", schemas.Timestamp)},
		Tracked: []string{"name", "city", "amount", "score", "at"},
	}
}

func ignoring(s cdc.Spec) cdc.Spec {
	s.IgnoreNulls = []string{"city", "amount"}
	return s
}

func history(s cdc.Spec) cdc.Spec {
	s.History = true
	return s
}

type benchFiles struct {
	conn *sql.Conn
	dir  string
	keys int
}

func (f benchFiles) path(name string) string { return filepath.Join(f.dir, name+".parquet") }

func (f benchFiles) relation(name string) string {
	return `(SELECT *, file_index::BIGINT AS "__file", file_row_number AS "__row" FROM read_parquet(` + quote.Text(f.path(name)) +
		", file_row_number = true))"
}

// write writes the tables as they are when each key had one change, and the changes.
func (f benchFiles) write(b *testing.B) {
	exec(b, f.conn, fmt.Sprintf(`CREATE OR REPLACE TABLE stored AS SELECT i * 7919 %% %d AS id, 'name ' || i * 31 %% 1000003 AS name,
		'city ' || i %% 1000 AS city, (i * 17 %% 100000)::INTEGER AS amount, i * 0.37::DOUBLE AS score,
		TIMESTAMP '2024-01-01' + to_seconds(i) AS "at", 1000000 + i %% 1000 AS __sequence FROM range(%[1]d) AS r(i)`, f.keys))
	exec(b, f.conn, fmt.Sprintf(`CREATE OR REPLACE TABLE changes AS
		SELECT * REPLACE (CASE WHEN n %% 20 = 1 THEN __sequence ELSE 2000000 + n END AS __sequence, CASE WHEN n %% 20 = 1 THEN name ELSE name || '!' END AS name),
			CASE WHEN n %% 20 = 2 THEN 'delete' ELSE 'upsert' END AS __op
		FROM (SELECT *, row_number() OVER () AS n FROM stored WHERE hash(id) %% %d = 0 LIMIT 100000)`, f.keys/105_000))
	exec(b, f.conn, `UPDATE changes SET __sequence = 500000 WHERE n % 10 = 3`)
	exec(b, f.conn, "COPY (SELECT * EXCLUDE n FROM changes ORDER BY n) TO "+quote.Text(f.path("changes")))
	for name, query := range map[string]string{
		"type1":  "SELECT * EXCLUDE __sequence FROM stored",
		"type1s": "SELECT id, __sequence, NULL::TIMESTAMPTZ AS __deleted_at, (hash(id, name, city, amount, score, CASE WHEN score = 0 THEN score::VARCHAR END, \"at\") >> 1)::BIGINT AS __hash FROM stored",
		"ignores": `SELECT id, __sequence, NULL::TIMESTAMPTZ AS __deleted_at, NULL::BIGINT AS __last_delete, __sequence AS __sequence_city,
			__sequence AS __sequence_amount FROM stored`,
		"type2":  "SELECT * EXCLUDE __sequence, __sequence AS __START_AT, NULL::BIGINT AS __END_AT FROM stored",
		"type2s": "SELECT *, false AS __deleted FROM stored",
	} {
		exec(b, f.conn, "COPY ("+query+") TO "+quote.Text(f.path(name)))
	}
}

func (f benchFiles) apply(b *testing.B, spec cdc.Spec) {
	r := cdc.Relations{Changes: "read_parquet(" + quote.Text(f.path("changes")) + ")", Target: f.relation("type1"), State: f.relation("type1s")}
	switch {
	case spec.History:
		r.Target, r.State = f.relation("type2"), f.relation("type2s")
	case len(spec.IgnoreNulls) > 0:
		r.State = f.relation("ignores")
	}
	measure(b, func() {
		result, err := spec.Apply(b.Context(), f.conn, r, "__cdc_", epoch, keep)
		if err != nil {
			b.Fatal(err)
		}
		for _, query := range []string{result.RemoveTarget, result.RemoveState, result.AddTarget, result.AddState} {
			exec(b, f.conn, "CREATE OR REPLACE TEMP TABLE written AS "+query)
		}
		if late := result.Superseded; result.Ignored != 5_000 || !spec.History && late != 10_000 || spec.History && late != 0 {
			b.Fatalf("%+v", result)
		}
		if err := result.Drop(b.Context(), f.conn); err != nil {
			b.Fatal(err)
		}
	})
}

func (f benchFiles) merge(b *testing.B) {
	measure(b, func() {
		b.StopTimer()
		exec(b, f.conn, "CREATE OR REPLACE TABLE target AS SELECT * FROM stored")
		exec(b, f.conn, "CHECKPOINT")
		b.StartTimer()
	}, func() {
		exec(b, f.conn, `MERGE INTO target AS t USING (
			SELECT * FROM read_parquet(`+quote.Text(f.path("changes"))+`) QUALIFY row_number() OVER (PARTITION BY id ORDER BY __sequence DESC) = 1
		) AS c ON t.id = c.id
		WHEN MATCHED AND c.__sequence <= t.__sequence THEN DO NOTHING
		WHEN MATCHED AND c.__op = 'delete' THEN DELETE
		WHEN MATCHED THEN UPDATE SET name = c.name, city = c.city, amount = c.amount, score = c.score, "at" = c."at", __sequence = c.__sequence
		WHEN NOT MATCHED AND c.__op = 'upsert' THEN INSERT VALUES (c.id, c.name, c.city, c.amount, c.score, c."at", c.__sequence)`)
	})
}

// measure reports the median CPU time of the last function; those before it prepare it.
func measure(b *testing.B, functions ...func()) {
	var times []time.Duration
	for b.Loop() {
		for _, prepare := range functions[:len(functions)-1] {
			prepare()
		}
		begin := cpuTime(b)
		functions[len(functions)-1]()
		times = append(times, cpuTime(b)-begin)
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Milliseconds()), "cpu-ms")
}

func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
