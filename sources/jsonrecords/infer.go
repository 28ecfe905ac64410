package jsonrecords

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/lakeflow/lakeflow/schemas"
)

// Describe returns the columns of a query, with types that tables can store, changed by adjust.
func Describe(ctx context.Context, conn *sql.Conn, query string, adjust func(schemas.Type) schemas.Type) (schemas.Table, error) {
	rows, err := conn.QueryContext(ctx, "SELECT column_name, column_type FROM (DESCRIBE "+query+")")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var t schemas.Table
	for rows.Next() {
		var name, duckType string
		if err := rows.Scan(&name, &duckType); err != nil {
			return nil, err
		}
		typ, err := schemas.Storable(duckType)
		if err != nil {
			typ = schemas.Type{Kind: schemas.Varchar} // everything has a text
		}
		t = append(t, schemas.Column{Name: name, Type: adjust(typ)})
	}
	return t, rows.Err()
}

// Generous gives inferred whole numbers 64 bits, as later files may have larger ones.
func Generous(t schemas.Type) schemas.Type {
	switch t.Kind {
	case schemas.Integer:
		t.Kind = schemas.BigInt
	case schemas.Float:
		t.Kind = schemas.Double
	}
	return mapType(t, Generous)
}

// mapType applies f to the types inside t.
func mapType(t schemas.Type, f func(schemas.Type) schemas.Type) schemas.Type {
	t.Fields = slices.Clone(t.Fields)
	for i := range t.Fields {
		t.Fields[i].Type = f(t.Fields[i].Type)
	}
	if t.Elem != nil {
		elem := f(*t.Elem)
		t.Elem = &elem
	}
	return t
}

// zone matches texts of a time with its zone.
const zone = `[0-9](Z|z|[+-][0-9]{2}(:?[0-9]{2})?)$`

// RefineTexts corrects the type of the texts v that the query values gives. DuckDB knows formats that only work when they are
// detected: columns with such dates are texts. And it moves times with a zone to UTC silently, or drops the zone: they become TIMESTAMP WITH
// TIME ZONE. convert is an expression that makes a value of v, or NULL.
func RefineTexts(ctx context.Context, conn *sql.Conn, t *schemas.Type, values string, convert func(schemas.Type) string) error {
	var misfits, zoned, bare bool
	query := fmt.Sprintf("SELECT coalesce(bool_or(%s IS NULL), false), coalesce(bool_or(z), false), coalesce(bool_or(NOT z), false)"+
		" FROM (SELECT v, regexp_matches(v, '%s') AS z FROM (%s) WHERE v IS NOT NULL)", convert(*t), zone, values)
	if err := conn.QueryRowContext(ctx, query).Scan(&misfits, &zoned, &bare); err != nil {
		return err
	}
	switch stamp := t.Kind == schemas.Timestamp || t.Kind == schemas.TimestampTZ; {
	case misfits, stamp && zoned && bare:
		*t = schemas.Type{Kind: schemas.Varchar}
	case stamp && zoned:
		t.Kind = schemas.TimestampTZ
	case stamp:
		t.Kind = schemas.Timestamp
	}
	return nil
}
