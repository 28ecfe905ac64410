package iceberg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/lakeflow/lakeflow/sinks/lake"
)

// catalogName is the name under which other engines find the tables in the catalog.
const catalogName = "lakeflow"

// catalogTables are the JDBC catalog's two tables, as PyIceberg and Spark make them, and lakeflow's own.
const catalogTables = `
CREATE TABLE IF NOT EXISTS iceberg_tables (
	catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
	metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
	PRIMARY KEY (catalog_name, table_namespace, table_name));
CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
	catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL,
	PRIMARY KEY (catalog_name, namespace, property_key));
CREATE TABLE IF NOT EXISTS lakeflow_owner (pipeline TEXT NOT NULL PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lakeflow_heads (metadata_location TEXT NOT NULL PRIMARY KEY, head TEXT NOT NULL) WITHOUT ROWID;`

const catalogTableCount = 4

func (l *Lake) catalogFile() string { return filepath.Join(l.warehouse, "catalog.db") }

// catalog opens the catalog once. Without create it returns nil when there is none.
func (l *Lake) catalog(ctx context.Context, create bool) (*sql.DB, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.db == nil {
		db, err := l.openCatalog(ctx, create)
		if db == nil {
			return nil, l.passing(err)
		}
		l.db = db
	}
	if create {
		if err := l.createCatalog(ctx); err != nil {
			return nil, l.passing(fmt.Errorf("create %s: %w", l.catalogFile(), err))
		}
	}
	return l.db, nil
}

func (l *Lake) openCatalog(ctx context.Context, create bool) (*sql.DB, error) {
	if !create {
		info, err := os.Stat(l.catalogFile())
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
			return nil, nil // a crash at birth leaves an empty file
		}
		if err != nil {
			return nil, fmt.Errorf("open catalog: %w", err)
		}
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(10000)", "synchronous(FULL)"}}
	if !create && l.readOnly() {
		q.Set("immutable", "1") // SQLite need not make its shared-memory file beside the catalog, and sees no later commit
		l.frozen = true
	}
	dsn := url.URL{Scheme: "file", OmitHost: true, Path: l.catalogFile(), RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", l.catalogFile(), err)
	}
	if create {
		return db, nil
	}
	n, err := countTables(ctx, db)
	if err == nil && n == catalogTableCount {
		return db, nil
	}
	_ = db.Close()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", l.catalogFile(), err)
	}
	return nil, nil // made by another program; lakeflow has never committed here
}

// thaw has a catalog that was opened as one that does not change opened anew, and reports whether it was such.
func (l *Lake) thaw() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.frozen || l.db == nil {
		return false
	}
	l.former = append(l.former, l.db) // somebody may be reading from it
	l.db, l.frozen = nil, false
	return true
}

// readOnly reports whether the catalog is on a file system, or in a folder, that this process cannot write to, and
// nothing of it is still in the write-ahead log.
func (l *Lake) readOnly() bool {
	if unix.Access(l.warehouse, unix.W_OK) == nil {
		return false
	}
	wal, err := os.Stat(l.catalogFile() + "-wal")
	return err != nil || wal.Size() == 0
}

func countTables(ctx context.Context, db *sql.DB) (n int, err error) {
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema WHERE type = 'table'
		AND name IN ('iceberg_tables', 'iceberg_namespace_properties', 'lakeflow_owner', 'lakeflow_heads')`).Scan(&n)
	return n, err
}

// createCatalog makes what is missing. The journal mode is a property of the file: setting it once is enough.
func (l *Lake) createCatalog(ctx context.Context) error {
	if _, err := l.db.ExecContext(ctx, "PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	n, err := countTables(ctx, l.db)
	if err != nil {
		return err
	}
	if n < catalogTableCount {
		if _, err := l.db.ExecContext(ctx, "BEGIN IMMEDIATE;"+catalogTables+"COMMIT;"); err != nil {
			return err
		}
		if err := errors.Join(syncPath(l.warehouse), syncPath(filepath.Dir(l.warehouse))); err != nil {
			return err
		}
	}
	_, err = l.db.ExecContext(ctx, `INSERT OR IGNORE INTO iceberg_namespace_properties VALUES (?, ?, 'exists', 'true')`, catalogName, l.namespace)
	return err
}

// pointer is a row of the catalog: where a table's metadata is, and its head as stored beside it, if it was.
type pointer struct{ table, location, stored string }

// selectPointers selects pointers of the tables of the pipeline whose own namespace is the parameter; views of other
// programs are no tables.
const selectPointers = `SELECT t.table_namespace, t.table_name, coalesce(t.metadata_location, ''), coalesce(h.head, '')
	FROM ` + ownedTables + ` LEFT JOIN lakeflow_heads h ON h.metadata_location = t.metadata_location
	WHERE t.catalog_name = '` + catalogName + `' AND ` + tableOwner + ` = ? AND coalesce(t.iceberg_type, 'TABLE') = 'TABLE'`

// scan reads a row of selectPointers.
func (l *Lake) scan(row interface{ Scan(...any) error }) (p pointer, err error) {
	var namespace string
	err = row.Scan(&namespace, &p.table, &p.location, &p.stored)
	p.table = l.join(namespace, p.table)
	return p, err
}

// pointers reads the pointers of all tables of the pipeline, if the tables are in this warehouse.
func (l *Lake) pointers(ctx context.Context, db *sql.DB) ([]pointer, error) {
	all, err := l.allPointers(ctx, db)
	if err == nil {
		err = l.placed(all...)
	}
	return all, err
}

// allPointers reads the pointers of all tables of the pipeline, wherever they lead to.
func (l *Lake) allPointers(ctx context.Context, db *sql.DB) ([]pointer, error) {
	rows, err := db.QueryContext(ctx, selectPointers, l.namespace)
	if err != nil {
		return nil, l.passing(fmt.Errorf("read catalog: %w", err))
	}
	defer rows.Close()
	var out []pointer
	for rows.Next() {
		p, err := l.scan(rows)
		if err != nil {
			return nil, l.passing(fmt.Errorf("read catalog: %w", err))
		}
		out = append(out, p)
	}
	if err := rows.Err(); err != nil {
		return nil, l.passing(fmt.Errorf("read catalog: %w", err))
	}
	return out, nil
}

// pointer reads the pointer of one table, if the table is in this warehouse.
func (l *Lake) pointer(ctx context.Context, table string) (pointer, error) {
	p, err := l.anyPointer(ctx, table)
	if err == nil {
		err = l.placed(p)
	}
	return p, err
}

// anyPointer reads the pointer of one table, wherever it leads to.
func (l *Lake) anyPointer(ctx context.Context, table string) (pointer, error) {
	db, err := l.catalog(ctx, false)
	if err != nil {
		return pointer{}, err
	}
	if db == nil {
		return pointer{}, fmt.Errorf("%w: %s", lake.ErrNoTable, l.full(table))
	}
	namespace, name := l.split(table)
	p, err := l.scan(db.QueryRowContext(ctx, selectPointers+" AND t.table_namespace = ? AND t.table_name = ?", l.namespace, namespace, name))
	if errors.Is(err, sql.ErrNoRows) {
		return pointer{}, fmt.Errorf("%w: %s", lake.ErrNoTable, l.full(table))
	}
	if err != nil {
		return pointer{}, l.passing(fmt.Errorf("read catalog: %w", err))
	}
	return p, nil
}

// checkFolder refuses a catalog that knows nothing of the tables whose folders are there: it was deleted or replaced,
// and starting from nothing would read every input a second time. db may be nil.
func (l *Lake) checkFolder(ctx context.Context, db *sql.DB) error {
	if db != nil {
		var known bool
		err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM `+ownedTables+` WHERE t.catalog_name = ? AND `+tableOwner+` = ?)
			OR EXISTS (SELECT 1 FROM lakeflow_owner WHERE pipeline = ?)`, catalogName, l.namespace, l.pipeline).Scan(&known)
		if err != nil {
			return l.passing(fmt.Errorf("read catalog %s: %w", l.catalogFile(), err))
		}
		if known {
			return nil
		}
	}
	found, err := filepath.Glob(filepath.Join(globEscape(filepath.Join(l.warehouse, l.namespace)), "*", "metadata"))
	if err != nil {
		return fmt.Errorf("read warehouse: %w", err)
	}
	if found, err = l.withoutGuests(ctx, db, found); err != nil {
		return l.passing(err)
	}
	if len(found) > 0 {
		return fmt.Errorf("%s does not know the tables in %s, for example %s: the catalog was deleted or replaced; restore it from a backup, "+
			"or remove the folder %[2]s to begin anew", l.catalogFile(), filepath.Join(l.warehouse, l.namespace), filepath.Base(filepath.Dir(found[0])))
	}
	return nil
}

// globEscape makes Glob take a path literally.
func globEscape(path string) string {
	out := make([]byte, 0, len(path))
	for i := range len(path) {
		switch path[i] {
		case '*', '?', '[', '\\':
			out = append(out, '\\')
		}
		out = append(out, path[i])
	}
	return string(out)
}
