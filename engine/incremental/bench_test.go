package incremental_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// BenchmarkGroupAggregate refreshes a view of many groups with 10,000 new rows, and with 10,000 rows of which half were
// removed. The view, its state and the history are Parquet files, of which the first case never reads the history.
func BenchmarkGroupAggregate(b *testing.B) {
	for _, c := range []struct {
		name            string
		groups, history int
		sql             string
		removed         bool
	}{
		{"50k_groups/add", 50_000, 2_000_000, "SELECT k, count(*) AS n, sum(x) AS s, avg(d) AS a, max(t) AS last FROM h GROUP BY k", false},
		{"50k_groups/remove", 50_000, 2_000_000, "SELECT k, count(*) AS n, sum(x) AS s FROM h GROUP BY k", true},
		{"50k_groups/remove_max", 50_000, 2_000_000, "SELECT k, count(*) AS n, sum(x) AS s, max(t) AS last FROM h GROUP BY k", true},
		{"2M_groups/add", 100_000, 4_000_000, "SELECT k, t, count(*) AS n, sum(x) AS s FROM h GROUP BY k, t", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn := open(b)
			exec(b, conn, "SET threads = 2")
			dir := b.TempDir()
			file := func(name, query string) string {
				path := quote.Text(filepath.Join(dir, name+".parquet"))
				exec(b, conn, "COPY ("+query+") TO "+path+" (FORMAT parquet, ROW_GROUP_SIZE 122880)")
				return "(SELECT * EXCLUDE (file_row_number), 1::BIGINT AS __file, file_row_number AS __row FROM read_parquet(" + path + ", file_row_number = true))"
			}
			rows := func(n, seed int) string {
				return fmt.Sprintf("SELECT (hash(i + %d) %% %d)::INTEGER AS k, (i %% 1000)::BIGINT AS x, (i %% 777) / 4 AS d, DATE '2024-01-01' + (hash(i * 7 + %[1]d) %% 30)::INTEGER AS t FROM range(%d) r(i)", seed, c.groups, n)
			}
			columns := schemas.Table{{Name: "k", Type: schemas.Type{Kind: schemas.Integer}}, {Name: "x", Type: schemas.Type{Kind: schemas.BigInt}},
				{Name: "d", Type: schemas.Type{Kind: schemas.Double}}, {Name: "t", Type: schemas.Type{Kind: schemas.Date}}}
			history := "(SELECT k, x, d, t FROM " + file("history", rows(c.history, 1)) + ")"
			exec(b, conn, "CREATE TABLE added AS "+rows(10_000, 99))
			exec(b, conn, "CREATE TABLE removed AS SELECT k, x, d, t FROM "+history+" LIMIT 5000")
			exec(b, conn, "CREATE VIEW h AS SELECT * FROM "+history)
			types, err := columnsOf(b, conn, c.sql)
			if err != nil {
				b.Fatal(err)
			}
			q := incremental.Query{SQL: c.sql, Columns: types, Relations: map[string]incremental.Relation{"h": {Columns: columns}}, Functions: functions(b, conn)}
			t, err := incremental.Analyze(b.Context(), conn, q)
			if err != nil || t.Name != incremental.GroupAggregate {
				b.Fatal(err, t)
			}
			in := incremental.Inputs{New: read(map[string]string{"h": history}), Added: map[string]string{"h": "added"}, Removed: map[string]string{}}
			if c.removed {
				in.Removed["h"] = "removed"
			}
			view, state, err := t.Full(in)
			if err != nil {
				b.Fatal(err)
			}
			in.View.Rows, in.State.Rows = file("view", view), file("state", state)
			for b.Loop() {
				r, err := t.Apply(b.Context(), conn, in, "__inc_")
				if err != nil || r.Recompute != "" {
					b.Fatal(err, r)
				}
				for _, query := range []string{r.RemoveView, r.RemoveState, r.AddView, r.AddState} {
					exec(b, conn, "CREATE OR REPLACE TEMP TABLE result AS "+query)
				}
				if err := r.Drop(b.Context(), conn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkAnalyze is what a view costs before it is refreshed.
func BenchmarkAnalyze(b *testing.B) {
	conn := open(b)
	relations := map[string]incremental.Relation{"h": {Columns: schemas.Table{{Name: "k", Type: schemas.Type{Kind: schemas.Integer}}, {Name: "x", Type: schemas.Type{Kind: schemas.BigInt}}}}}
	classes := functions(b, conn)
	for _, sql := range []string{"SELECT k, x FROM h WHERE x > 3", "SELECT k, count(*) AS n, sum(x) AS s, max(x) FROM h GROUP BY k HAVING count(*) > 1",
		"SELECT a.k, b.x FROM h a LEFT JOIN h b ON a.k = b.k", "SELECT k, x, row_number() OVER (PARTITION BY k ORDER BY x) FROM h"} {
		types, err := columnsOf(b, conn, "WITH h AS (SELECT 1 AS k, 2::BIGINT AS x) "+sql)
		if err != nil {
			b.Fatal(err)
		}
		q := incremental.Query{SQL: sql, Columns: types, Relations: relations, Functions: classes}
		b.Run("", func(b *testing.B) {
			for b.Loop() {
				if t, err := incremental.Analyze(b.Context(), conn, q); err != nil || t.Name == incremental.CompleteRecompute {
					b.Fatal(err, t)
				}
			}
		})
	}
}

// BenchmarkJoins refreshes joins of a million rows with a thousand changed ones on each side.
func BenchmarkJoins(b *testing.B) {
	for _, sql := range []string{"SELECT a.i, c.x FROM a JOIN c ON a.k = c.k", "SELECT a.i, c.x FROM a LEFT JOIN c ON a.k = c.k", "SELECT a.i FROM a ANTI JOIN c ON a.k = c.k",
		"SELECT i FROM a WHERE EXISTS (SELECT 1 FROM c WHERE c.k = a.k)", "SELECT i FROM a WHERE k IN (SELECT k FROM c)", "SELECT a.k, count(c.x) FROM a LEFT JOIN c ON a.k = c.k GROUP BY 1",
		"SELECT k, i, rank() OVER (PARTITION BY k ORDER BY x) FROM a", "SELECT a.i, s.n FROM a JOIN (SELECT k, count(*) AS n FROM c GROUP BY k) s ON s.k = a.k", "SELECT k, count(DISTINCT x) FROM a GROUP BY k"} {
		b.Run(sql, func(b *testing.B) {
			conn := open(b)
			exec(b, conn, "SET threads = 2")
			relations := map[string]incremental.Relation{}
			in := incremental.Inputs{New: itself, Old: func(name string) (string, error) { return name + "_old", nil }, Added: map[string]string{}, Removed: map[string]string{}}
			for _, name := range []string{"a", "c"} {
				exec(b, conn, "CREATE TABLE "+name+" AS SELECT i::INTEGER AS i, (hash(i) % 1000000)::INTEGER AS k, (i % 1000)::BIGINT AS x FROM range(1000000) r(i)")
				exec(b, conn, "CREATE TABLE "+name+"_old AS FROM "+name+" WHERE i >= 1000 UNION ALL SELECT i, k + 1, x FROM "+name+" WHERE i < 1000")
				exec(b, conn, "CREATE TABLE "+name+"_added AS FROM "+name+" WHERE i < 1000")
				exec(b, conn, "CREATE TABLE "+name+"_removed AS FROM "+name+"_old WHERE i < 1000")
				relations[name] = incremental.Relation{Columns: schemas.Table{{Name: "i", Type: schemas.Type{Kind: schemas.Integer}},
					{Name: "k", Type: schemas.Type{Kind: schemas.Integer}}, {Name: "x", Type: schemas.Type{Kind: schemas.BigInt}}}}
				in.Added[name], in.Removed[name] = name+"_added", name+"_removed"
			}
			types, err := columnsOf(b, conn, sql)
			if err != nil {
				b.Fatal(err)
			}
			q := incremental.Query{SQL: sql, Columns: types, Relations: relations, Functions: functions(b, conn)}
			t, err := incremental.Analyze(b.Context(), conn, q)
			if err != nil {
				b.Fatal(err)
			}
			view, state, err := t.Full(incremental.Inputs{New: in.Old})
			if err != nil {
				b.Fatal(err)
			}
			exec(b, conn, "CREATE TABLE v AS "+view)
			if state != "" {
				exec(b, conn, "CREATE TABLE s AS "+state)
			}
			in.View, in.State = stored("v"), stored("s")
			for b.Loop() {
				r, err := t.Apply(b.Context(), conn, in, "__inc_")
				if err != nil || r.Recompute != "" {
					b.Fatal(err, r)
				}
				for _, query := range []string{r.RemoveView, r.AddView} {
					exec(b, conn, "CREATE OR REPLACE TEMP TABLE result AS "+query)
				}
				if err := r.Drop(b.Context(), conn); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			start := time.Now()
			exec(b, conn, "CREATE OR REPLACE TEMP TABLE result AS "+view)
			b.ReportMetric(float64(time.Since(start).Milliseconds()), "full-ms")
		})
	}
}

// share is a view over h, and how its rows change: those of the keys, or numbers, below a part of how many there are.
type share struct {
	name, sql, added, removed string
	of                        int
}

// BenchmarkShare refreshes views of a million rows of which a part of the keys, or of the rows, has changed, and says how
// much processor time that takes in parts of what computing everything takes. Both write what they have computed.
func BenchmarkShare(b *testing.B) {
	const rows, groups = 1_000_000, 100_000
	history := fmt.Sprintf("SELECT i::BIGINT AS i, (hash(i) %% %d)::INTEGER AS k, (i %% 1000)::BIGINT AS x, "+
		"DATE '2024-01-01' + (i %% 30)::INTEGER AS t FROM range(%d) r(i)", groups, rows)
	ofKeys := fmt.Sprintf("SELECT -1::BIGINT AS i, k::INTEGER AS k, 5::BIGINT AS x, DATE '2024-03-01' AS t FROM range(%d) r(k) WHERE k < ", groups)
	for _, c := range []share{
		{"group", "SELECT k, count(*) AS n, sum(x) AS s, max(t) AS last FROM h GROUP BY k", ofKeys, "", groups},
		{"group_removed", "SELECT k, count(*) AS n, sum(x) AS s FROM h GROUP BY k", ofKeys, "FROM h WHERE i < ", groups},
		{"group_anew", "SELECT k, count(*) AS n, max(x) AS s FROM h GROUP BY k", "", "FROM h WHERE x > 500 AND k < ", groups},
		{"median", "SELECT k, median(x) AS m FROM h GROUP BY k", ofKeys, "", groups},
		{"window", "SELECT k, x, row_number() OVER (PARTITION BY k ORDER BY x, i) AS n FROM h", ofKeys, "", groups},
		{"distinct", "SELECT DISTINCT k, x FROM h", ofKeys, "", groups},
		{"added", "SELECT i, k, x + 1 AS x FROM h WHERE x > 3", "FROM h WHERE i < ", "", rows},
		{"removed", "SELECT i, k, x + 1 AS x FROM h WHERE x > 3", "", "FROM h WHERE i < ", rows},
		{"updated", "SELECT i, k, x + 1 AS x FROM h WHERE x > 3", "SELECT i, k, x + 2 AS x, t FROM h WHERE i < ", "FROM h WHERE i < ", rows},
	} {
		for _, percent := range []int{1, 10, 25, 50, 75, 100} {
			b.Run(fmt.Sprintf("%s/%d%%", c.name, percent), func(b *testing.B) {
				f := &files{b, open(b), b.TempDir()}
				exec(b, f.conn, "SET threads = 2")
				exec(b, f.conn, "CREATE VIEW h AS FROM "+f.write("history", history))
				in := f.changes(c, strconv.Itoa(c.of*percent/100))
				t := f.analyze(c.sql)
				f.full(t, incremental.Inputs{New: itself})
				in.View, in.State = f.stored("view"), f.stored("state")
				for b.Loop() {
					began := processor()
					f.apply(t, in)
					changes := processor() - began
					began = processor()
					f.full(t, incremental.Inputs{New: in.New})
					full := processor() - began
					b.ReportMetric(float64(full.Milliseconds()), "full-ms")
					b.ReportMetric(float64(changes)/float64(full), "of-full")
				}
			})
		}
	}
}

// files are Parquet files of a folder.
type files struct {
	b    *testing.B
	conn *sql.Conn
	dir  string
}

func (f *files) write(name, query string) string {
	path := quote.Text(filepath.Join(f.dir, name+".parquet"))
	exec(f.b, f.conn, "COPY ("+query+") TO "+path+" (FORMAT parquet, COMPRESSION zstd)")
	return "read_parquet(" + path + ")"
}

func (f *files) stored(name string) incremental.Stored {
	path := quote.Text(filepath.Join(f.dir, name+".parquet"))
	return incremental.Stored{Rows: "(SELECT * EXCLUDE (file_row_number), 1::BIGINT AS __file, file_row_number AS __row FROM " +
		"read_parquet(" + path + ", file_row_number = true))"}
}

// changes makes the tables of what changes below n, and the view later.
func (f *files) changes(c share, n string) incremental.Inputs {
	in := incremental.Inputs{New: func(string) (string, error) { return "later", nil }, Old: itself,
		Added: map[string]string{}, Removed: map[string]string{}}
	later := "SELECT * FROM h"
	if c.removed != "" {
		exec(f.b, f.conn, "CREATE TABLE removed AS "+c.removed+n)
		in.Removed["h"] = "removed"
		later += " WHERE NOT (" + strings.TrimPrefix(c.removed, "FROM h WHERE ") + n + ")"
	}
	if c.added != "" {
		exec(f.b, f.conn, "CREATE TABLE added AS "+c.added+n)
		in.Added["h"] = "added"
		later += " UNION ALL FROM added"
	}
	exec(f.b, f.conn, "CREATE VIEW later AS FROM "+f.write("later", later))
	return in
}

func (f *files) analyze(query string) *incremental.Technique {
	columns, err := columnsOf(f.b, f.conn, "FROM h")
	if err != nil {
		f.b.Fatal(err)
	}
	for i, name := range []string{"i", "k", "x", "t"} {
		columns[i].Name = name
	}
	types, err := columnsOf(f.b, f.conn, query)
	if err != nil {
		f.b.Fatal(err)
	}
	t, err := incremental.Analyze(f.b.Context(), f.conn, incremental.Query{SQL: query, Columns: types,
		Relations: map[string]incremental.Relation{"h": {Columns: columns}}, Functions: functions(f.b, f.conn)})
	if err != nil || t.Name == incremental.CompleteRecompute {
		f.b.Fatal(err, t)
	}
	return t
}

// full writes all rows of the view and the state. Those that there are stay as they are.
func (f *files) full(t *incremental.Technique, in incremental.Inputs) {
	view, state, err := t.Full(in)
	if err != nil {
		f.b.Fatal(err)
	}
	for name, query := range map[string]string{"view": view, "state": state} {
		if _, err := os.Stat(filepath.Join(f.dir, name+".parquet")); err == nil {
			name += "_full"
		}
		if query != "" {
			f.write(name, query)
		}
	}
}

func (f *files) apply(t *incremental.Technique, in incremental.Inputs) {
	r, err := t.Apply(f.b.Context(), f.conn, in, "__inc_")
	if err != nil || r.Recompute != "" {
		f.b.Fatal(err, r)
	}
	for i, query := range []string{r.RemoveView, r.RemoveState, r.AddView, r.AddState} {
		if query != "" {
			f.write(fmt.Sprint("result", i), query)
		}
	}
	if err := r.Drop(f.b.Context(), f.conn); err != nil {
		f.b.Fatal(err)
	}
}

// processor is the time that the process has used.
func processor() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
