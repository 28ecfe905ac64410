package duck

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sandbox is a session with one allowed folder, and a folder beside it that holds a secret.
func sandbox(t *testing.T) (db *DB, inside, outside string) {
	t.Helper()
	t.Setenv("LAKEFLOW_TEST_SECRET", "do not tell")
	db, inside = open(t, Config{TempDir: filepath.Join(t.TempDir(), "tmp")})
	outside = t.TempDir()
	for _, dir := range []string{inside, outside} {
		if err := os.WriteFile(filepath.Join(dir, "a.csv"), []byte("a\n1\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return db, inside, outside
}

// refused are DuckDB's reasons that have to do with the sandbox: a file that is not there is none.
var refused = regexp.MustCompile(`operations are disabled|external extensions is disabled|configuration has been locked|Function with name`)

// TestSandboxIsClosed tries every way out of the sandbox that DuckDB has.
func TestSandboxIsClosed(t *testing.T) {
	db, inside, outside := sandbox(t)
	t.Chdir(outside)
	if err := db.Exec(t.Context(), "SELECT * FROM read_csv('"+inside+"/a.csv')"); err != nil {
		t.Fatalf("the allowed folder: %v", err)
	}
	for _, escape := range []string{
		"SELECT * FROM read_csv('{out}/a.csv')",
		"SELECT * FROM '{out}/a.csv'",
		"SELECT * FROM read_text('{out}/*')",
		"SELECT * FROM read_blob('/etc/passwd')",
		"SELECT * FROM glob('{out}/*')",
		"SELECT * FROM glob('/etc/*')",
		"SELECT * FROM read_csv('{in}/../{rel}/a.csv')",
		"SELECT * FROM read_csv('{in}/./../{rel}/a.csv')",
		"SELECT * FROM read_csv('{in}/x/../../{rel}/a.csv')",
		"SELECT * FROM read_csv('{in}x/a.csv')",
		"SELECT * FROM read_csv('file://{out}/a.csv')",
		"SELECT * FROM read_csv('https://example.com/a.csv')",
		"SELECT * FROM read_parquet('s3://bucket/a.parquet')",
		"SELECT * FROM read_parquet('hf://datasets/a/b.parquet')",
		"SELECT * FROM read_csv('/dev/stdin')",
		"SELECT * FROM parquet_metadata('{out}/a.parquet')",
		"SELECT * FROM sniff_csv('{out}/a.csv')",
		"COPY (SELECT 1) TO '{out}/new.csv'",
		"COPY (SELECT 1) TO '{out}/new.parquet'",
		"COPY (SELECT 1) TO '{in}/../{rel}/new.csv'",
		"COPY (SELECT 1) TO '/dev/stdout' (FORMAT csv)",
		"COPY (SELECT 1 AS k, 2 AS v) TO '{out}/folder' (FORMAT parquet, PARTITION_BY (k))",
		"CREATE TABLE t(a INTEGER); COPY t FROM '{out}/a.csv'",
		"EXPORT DATABASE '{out}/dump'",
		"IMPORT DATABASE '{out}/dump'",
		"ATTACH '{out}/x.duckdb' AS x",
		"ATTACH '{out}/x.sqlite' AS x (TYPE sqlite)",
		"INSTALL httpfs",
		"LOAD httpfs",
		"LOAD '{out}/evil.duckdb_extension'",
		"FORCE INSTALL httpfs FROM 'https://example.com'",
		"UPDATE EXTENSIONS",
		"SET enable_external_access = true",
		"SET allowed_directories = ['/']",
		"RESET allowed_directories",
		"SET allowed_paths = ['/etc/passwd']",
		"SET GLOBAL memory_limit = '100GB'",
		"SET memory_limit = '100GB'",
		"SET threads = 64",
		"SET lock_configuration = false",
		"SET temp_directory = '{out}'",
		"SET TimeZone = 'Europe/Berlin'",
		"SET home_directory = '{out}'",
		"SET secret_directory = '{out}'",
		"SET log_query_path = '{out}/log'",
		"SET file_search_path = '{out}'",
		"SET custom_extension_repository = 'http://example.com'",
		"PRAGMA memory_limit = '100GB'",
		"PRAGMA enable_profiling = 'json'",
		"PRAGMA profiling_output = '{out}/profile'",
		"PRAGMA temp_directory = '{out}'",
		"CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
		"SELECT getenv('LAKEFLOW_TEST_SECRET')",
		"SELECT * FROM read_csv('a.csv')", // the working directory is outside
		"SELECT * FROM sqlite_scan('{out}/x.db', 't')",
		"SELECT * FROM postgres_scan('', '', '')",
		"SELECT * FROM shell_exec('id')",
		"COPY (SELECT 1) TO PROGRAM 'id'",
	} {
		query := strings.NewReplacer("{out}", outside, "{rel}", filepath.Base(outside), "{in}", inside).Replace(escape)
		err := db.Exec(t.Context(), query)
		if err == nil || !refused.MatchString(err.Error()) {
			t.Errorf("not refused: %s: %v", query, err)
		}
	}
	left, err := filepath.Glob(outside + "/*")
	if err != nil || len(left) != 1 {
		t.Errorf("outside there is now %v, %v", left, err)
	}
	if content, err := os.ReadFile(outside + "/a.csv"); err != nil || string(content) != "a\n1\n" {
		t.Errorf("the file outside is now %q, %v", content, err)
	}
}

// TestSymlinks: DuckDB looks at where a link leads. An allowed folder may be reached through a link, but a link in it
// does not open another folder.
func TestSymlinks(t *testing.T) {
	db, inside, outside := sandbox(t)
	for from, to := range map[string]string{"folder": outside, "file.csv": outside + "/a.csv"} {
		if err := os.Symlink(to, filepath.Join(inside, from)); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"folder/a.csv", "file.csv"} {
		if err := db.Exec(t.Context(), "SELECT * FROM read_csv('"+inside+"/"+path+"')"); err == nil || !refused.MatchString(err.Error()) {
			t.Errorf("%s leads out of the allowed folder: %v", path, err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	other, _ := open(t, Config{Folders: []string{link}})
	if err := other.Exec(t.Context(), "SELECT * FROM read_csv('"+link+"/a.csv')"); err != nil {
		t.Errorf("the allowed folder is a link: %v", err)
	}
}

// sorting needs more than 50 MB.
const sorting = "SELECT CAST(hash(i) AS DECIMAL(20,0)) AS h, CAST(i AS VARCHAR) AS s FROM range(1500000) r(i) ORDER BY h"

// TestSpills sorts with little memory: with a temp folder the query goes through, and files appear there while it runs;
// without, it fails.
func TestSpills(t *testing.T) {
	temp := filepath.Join(t.TempDir(), "a", "tmp")
	db, dir := open(t, Config{MemoryLimit: "50MB", Threads: 2, TempDir: temp})
	spilled := make(chan bool)
	ctx, done := context.WithCancel(t.Context())
	go func() { spilled <- watch(ctx, filepath.Join(temp, "spill")) }()
	files, copied, err := db.WriteParquet(t.Context(), sorting, Layout{Dir: dir, Schema: columns(t, "h DECIMAL(20,0)", "s VARCHAR")})
	done()
	if err != nil || copied != 1_500_000 || len(files) == 0 {
		t.Errorf("%d rows, %v", copied, err)
	}
	if !<-spilled {
		t.Error("nothing was spilled")
	}
	if db.TempDir() != temp {
		t.Errorf("temp folder %s", db.TempDir())
	}
	if err := os.WriteFile(filepath.Join(temp, "left.parquet"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(temp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the temp folder after Close: %v", err)
	}
}

func TestMemoryLimit(t *testing.T) {
	db, dir := open(t, Config{MemoryLimit: "50MB", Threads: 2})
	_, _, err := db.WriteParquet(t.Context(), sorting, Layout{Dir: dir, Schema: columns(t, "h DECIMAL(20,0)", "s VARCHAR")})
	if err == nil || !strings.Contains(err.Error(), "Out of Memory") {
		t.Errorf("without a temp folder: %v", err)
	}
}

// TestThreads: DuckDB starts with one, and ends up with as many as were asked for, or as it would have taken itself.
func TestThreads(t *testing.T) {
	plain, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	threads := func(conn interface {
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}) (n int) {
		if err := conn.QueryRowContext(t.Context(), "SELECT current_setting('threads')").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for asked, want := range map[int]int{0: threads(plain), 1: 1, 3: 3} {
		db, _ := open(t, Config{Threads: asked})
		if got := threads(db.Conn()); got != want {
			t.Errorf("%d: there are %d threads, not %d", asked, got, want)
		}
	}
}

// TestNotOpened: who starts DuckDB for nothing waits for it, and leaves nothing behind.
func TestNotOpened(t *testing.T) {
	Start().Close()
}

// watch reports whether a file appears in the folder until the context ends.
func watch(ctx context.Context, dir string) bool {
	for ctx.Err() == nil {
		if found, err := os.ReadDir(dir); err == nil && len(found) > 0 {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}

// TestInterrupt: cancelling the context ends a query in the middle, and the session goes on.
func TestInterrupt(t *testing.T) {
	db, dir := open(t, Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	files, _, err := db.WriteParquet(ctx, "SELECT sum(a.i * b.i) AS s FROM range(1000000) a(i), range(1000000) b(i)", Layout{Dir: dir, Schema: columns(t, "s DECIMAL(38,0)")})
	if err == nil || len(files) != 0 || time.Since(began) > 10*time.Second {
		t.Errorf("after %s: %v, %v", time.Since(began), files, err)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error does not say that the context ended: %v", err)
	}
	if err := db.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Errorf("the next query: %v", err)
	}
}

func TestOpenTellsWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Config{TempDir: filepath.Join(file, "tmp")}); err == nil || !strings.Contains(err.Error(), "temp folder") {
		t.Errorf("a temp folder below a file: %v", err)
	}
	if _, err := Open(t.Context(), Config{MemoryLimit: "much"}); err == nil || !strings.Contains(err.Error(), "open duckdb") {
		t.Errorf("a limit that is none: %v", err)
	}
}
