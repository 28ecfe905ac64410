package iceberg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// A pipeline may have tables in other namespaces than its own, and several pipelines in the same one. A table outside of
// its pipeline's own namespace has a property of the namespace that it is in, which names the pipeline's. It is written
// in the transaction that makes the table.

// ownerKey begins the names of these properties; the table's follows.
const ownerKey = "lakeflow.table."

// ownedTables are the catalog's tables, and tableOwner is the own namespace of the pipeline that one belongs to.
const (
	ownedTables = `iceberg_tables t LEFT JOIN iceberg_namespace_properties o ON o.catalog_name = t.catalog_name
		AND o.namespace = t.table_namespace AND o.property_key = '` + ownerKey + `' || t.table_name`
	tableOwner = `coalesce(o.property_value, t.table_namespace)`
)

// split gives the namespace of a table and its name in it.
func (l *Lake) split(table string) (namespace, name string) {
	if namespace, name = schemas.SplitName(table); namespace == "" {
		namespace = l.namespace
	}
	return namespace, name
}

// join is what the pipeline calls a table; see split.
func (l *Lake) join(namespace, name string) string {
	if namespace == l.namespace {
		return name
	}
	return schemas.JoinName(namespace, name)
}

// full is the name of a table with its namespace.
func (l *Lake) full(table string) string { return schemas.JoinName(l.split(table)) }

// isFolder reports whether a name is that of a folder.
func isFolder(name string) bool { return name != "" && name == filepath.Base(name) && name[0] != '.' }

// isTable reports whether a table's name, or both parts of it, can be those of folders.
func isTable(table string) bool {
	namespace, name := schemas.SplitName(table)
	return isFolder(name) && (namespace == "" && !strings.HasPrefix(table, ".") || isFolder(namespace))
}

// Claim says which of the tables the pipeline cannot make, because somebody else's are there.
func (l *Lake) Claim(ctx context.Context, tables []string) error {
	db, err := l.catalog(ctx, false)
	if db == nil {
		return err
	}
	var errs []error
	for _, table := range tables {
		errs = append(errs, l.claimable(ctx, db, table))
	}
	return errors.Join(errs...)
}

// claimable makes sure that a table is the pipeline's, or nobody's.
func (l *Lake) claimable(ctx context.Context, db *sql.DB, table string) error {
	namespace, name := l.split(table)
	var owner string
	var theirs bool
	err := db.QueryRowContext(ctx, `SELECT `+tableOwner+`, coalesce(h.head, '') <> '' FROM `+ownedTables+`
		LEFT JOIN lakeflow_heads h ON h.metadata_location = t.metadata_location
		WHERE t.catalog_name = ? AND t.table_namespace = ? AND t.table_name = ?`, catalogName, namespace, name).Scan(&owner, &theirs)
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && owner == l.namespace:
		return nil
	case err != nil:
		return l.passing(fmt.Errorf("read catalog: %w", err))
	case !theirs:
		return fmt.Errorf("table %s is there already, and no pipeline of lakeflow wrote it; give the pipeline's table another name or another schema, or drop that one", l.full(table))
	}
	return fmt.Errorf("table %s belongs to %s, and a table belongs to one pipeline; give the table of the pipeline %s another name or another schema",
		l.full(table), l.pipelineOf(ctx, db, owner), l.pipeline)
}

// pipelineOf names the pipeline that has a namespace for its own.
func (l *Lake) pipelineOf(ctx context.Context, db *sql.DB, namespace string) string {
	var p pointer
	err := db.QueryRowContext(ctx, `SELECT t.table_name, t.metadata_location, coalesce(h.head, '') FROM iceberg_tables t
		LEFT JOIN lakeflow_heads h ON h.metadata_location = t.metadata_location
		WHERE t.catalog_name = ? AND t.table_namespace = ? AND t.table_name = ?`, catalogName, namespace, EventLog).Scan(&p.table, &p.location, &p.stored)
	if err == nil {
		if h, _ := restore(p.table, p.location, p.stored); h != nil && h.summary[keyPipeline] != "" {
			return fmt.Sprintf("the pipeline %s, whose schema is %s", h.summary[keyPipeline], namespace)
		}
	}
	return "the pipeline with the schema " + namespace
}

// claim notes whose a new table is.
func (l *Lake) claim(ctx context.Context, tx *sql.Tx, namespace, name string) error {
	var err error
	if namespace == l.namespace { // another pipeline's may have been here, which another program dropped
		_, err = tx.ExecContext(ctx, `DELETE FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ? AND property_key = ?`,
			catalogName, namespace, ownerKey+name)
	} else {
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO iceberg_namespace_properties VALUES (?1, ?2, 'exists', 'true'), (?1, ?2, ?3, ?4)`,
			catalogName, namespace, ownerKey+name, l.namespace)
	}
	if err != nil {
		return fmt.Errorf("claim table %s.%s: %w", namespace, name, err)
	}
	return nil
}

// withoutGuests leaves out the metadata folders of tables of the own namespace that belong to other pipelines. db may be
// nil.
func (l *Lake) withoutGuests(ctx context.Context, db *sql.DB, folders []string) ([]string, error) {
	if db == nil {
		return folders, nil
	}
	var kept []string
	for _, folder := range folders {
		var guest bool
		err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM iceberg_namespace_properties WHERE catalog_name = ? AND namespace = ? AND property_key = ?)`,
			catalogName, l.namespace, ownerKey+filepath.Base(filepath.Dir(folder))).Scan(&guest)
		if err != nil {
			return nil, fmt.Errorf("read catalog %s: %w", l.catalogFile(), err)
		}
		if !guest {
			kept = append(kept, folder)
		}
	}
	return kept, nil
}
