// Package duck is the embedded DuckDB: a sandboxed, bounded, in-memory database with one connection, and the writing
// and reading of Parquet files through it. It is the only package that imports the driver; everything else works with
// the *sql.Conn that it hands out.
package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/KimMachineGun/automemlimit/memlimit"
	duckdb "github.com/duckdb/duckdb-go/v2"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/schemas/quote"
)

// Config bounds the database.
type Config struct {
	// MemoryLimit in DuckDB's spelling ("512MB"); empty means half of the machine's or the container's memory, at most
	// 4 GiB.
	MemoryLimit string
	// TempDir is where DuckDB spills; it is created, and emptied by Close. Empty forbids spilling.
	TempDir string
	// Threads; 0 means one for each processor.
	Threads int
	// Folders that SQL may read and write, beside TempDir. Everything else of the file system is closed.
	Folders []string
}

// DB is an open database. Its connection is used by one goroutine at a time.
type DB struct {
	db      *sql.DB
	conn    *sql.Conn
	tempDir string
}

// Engine is a DuckDB that starts, which takes as long as much else of a short command. It is opened or closed, once.
type Engine struct {
	started   chan struct{}
	connector *duckdb.Connector
	err       error
}

// Start starts DuckDB beside what the caller does next.
func Start() *Engine {
	e := &Engine{started: make(chan struct{})}
	go func() {
		defer close(e.started)
		e.connector, e.err = duckdb.NewConnector(firstSettings, nil)
	}()
	return e
}

// firstSettings are those that DuckDB starts with. All of them could be in settings, where each is a statement.
const firstSettings = "?threads=1&preserve_insertion_order=false" +
	// It would keep what was read of every file, up to the memory limit; a batch reads its files once.
	"&enable_external_file_cache=false" +
	// DuckDB's threads give freed memory back when they have had nothing to do for half a second, which never happens
	// between batches of 50 ms.
	"&allocator_background_threads=true" +
	"&autoinstall_known_extensions=false&autoload_known_extensions=false"

// Open starts DuckDB and opens it.
func Open(ctx context.Context, c Config) (*DB, error) { return Start().Open(ctx, c) }

// Open waits for DuckDB, configures it with c, closes the sandbox and locks the configuration: from here on SQL can
// neither reach other files, load extensions, nor change a setting. The caller closes the DB; after an error there is
// nothing to close.
func (e *Engine) Open(ctx context.Context, c Config) (*DB, error) {
	if c.TempDir != "" {
		if err := os.MkdirAll(c.TempDir, 0o755); err != nil {
			e.Close()
			return nil, fmt.Errorf("make temp folder: %w", err)
		}
	}
	<-e.started
	if e.err != nil {
		return nil, fmt.Errorf("open duckdb: %w", e.err)
	}
	db := sql.OpenDB(e.connector)
	conn, err := db.Conn(ctx)
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	d := &DB{db: db, conn: conn, tempDir: c.TempDir}
	if err := d.Exec(ctx, settings(c)); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("open duckdb: %w", err)
	}
	if err := registerBuckets(conn); err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// Close ends a DuckDB that was not opened.
func (e *Engine) Close() {
	<-e.started
	if e.err == nil {
		_ = e.connector.Close() // nothing was done with it
	}
}

// settings is the SQL that configures a new database. The order matters: access is closed before the lock.
func settings(c Config) string {
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "SET %s = %s;\n", name, value) }
	set("errors_as_json", "true")
	set("TimeZone", "'UTC'")
	// It takes what an expression has twice out of it, also out of TRY(…), which then no longer catches its errors.
	set("disabled_optimizers", "'common_subexpressions'")
	memory := c.MemoryLimit
	if memory == "" {
		memory = defaultMemory()
	}
	set("memory_limit", quote.Text(memory))
	switch c.Threads {
	case 0:
		b.WriteString("RESET threads;\n")
	case 1:
	default:
		set("threads", strconv.Itoa(c.Threads))
	}
	folders := append([]string(nil), c.Folders...)
	if c.TempDir == "" {
		set("temp_directory", "''") // DuckDB's default is .tmp in the working directory
	} else {
		set("temp_directory", quote.Text(filepath.Join(c.TempDir, "spill")))
		folders = append(folders, c.TempDir)
	}
	var quoted []string
	for _, f := range folders { // readers are allowed, or not, by what they are given: a path in which special characters are escaped
		quoted = append(quoted, quote.Text(f), quote.Text(schemas.EscapeGlob(f)))
	}
	set("allowed_directories", "["+strings.Join(quoted, ", ")+"]")
	set("enable_external_access", "false")
	set("lock_configuration", "true")
	return b.String()
}

// defaultMemory is half of the memory that there is, at most 4 GiB: an update is to leave room for the rest of a
// laptop, and of a container for Go.
func defaultMemory() string {
	const most = 4096
	mb := uint64(most)
	for _, known := range []memlimit.Provider{memlimit.FromSystem, memlimit.FromCgroup} {
		if n, err := known(); err == nil {
			mb = min(mb, max(n>>20/2, 64))
		}
	}
	return strconv.FormatUint(mb, 10) + "MiB"
}

// Conn is the connection. It must not be closed.
func (d *DB) Conn() *sql.Conn { return d.conn }

// TempDir is the folder for files that live as long as the DB.
func (d *DB) TempDir() string { return d.tempDir }

// Exec runs one statement.
func (d *DB) Exec(ctx context.Context, query string, args ...any) error {
	_, err := d.conn.ExecContext(ctx, query, args...)
	return err
}

// Append adds rows to a temp table, with a value for each of its columns.
func (d *DB) Append(table string, rows iter.Seq[[]driver.Value]) error {
	return d.conn.Raw(func(raw any) error {
		conn, ok := raw.(driver.Conn)
		if !ok {
			return fmt.Errorf("append to %s: %T is no connection", table, raw)
		}
		a, err := duckdb.NewAppender(conn, "temp", "main", table)
		if err != nil {
			return fmt.Errorf("append to %s: %w", table, err)
		}
		for row := range rows {
			if err = a.AppendRow(row...); err != nil {
				break
			}
		}
		if err = errors.Join(err, a.Close()); err != nil {
			return fmt.Errorf("append to %s: %w", table, err)
		}
		return nil
	})
}

// Close ends DuckDB and removes the temp folder.
func (d *DB) Close() error {
	_ = d.conn.Close()
	err := d.db.Close()
	if d.tempDir != "" {
		if e := os.RemoveAll(d.tempDir); err == nil && e != nil {
			err = fmt.Errorf("remove temp folder: %w", e)
		}
	}
	return err
}
