// Package syntax is DuckDB's syntax tree of a query: text to tree, what a tree says, and tree to text. What has a type
// here is what lakeflow asks about; everything else that DuckDB tells is kept as it is, and is walked through like the
// rest, so that nothing in it is overlooked or lost.
package syntax

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Session is a *sql.Conn or *sql.Tx of DuckDB.
type Session interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Parsed is what DuckDB makes of a text: statements, or a refusal.
type Parsed struct {
	Statements []Statement
	Refused    *Refusal
}

// Only is the statement of a text that is one.
func (p Parsed) Only() (Statement, bool) {
	if len(p.Statements) != 1 {
		return Statement{}, false
	}
	return p.Statements[0], true
}

// Refusal says why a text has no tree.
type Refusal struct {
	Syntax  bool // it is no SQL; otherwise it is no query
	Message string
	At      int // offset in bytes, -1 when it is not known
}

// Parse has DuckDB parse a text.
func Parse(ctx context.Context, session Session, text string) (Parsed, error) {
	all, err := ParseAll(ctx, session, []string{text})
	if err != nil {
		return Parsed{}, err
	}
	return all[0], nil
}

// ParseAll has DuckDB parse texts, a few hundred in one statement.
func ParseAll(ctx context.Context, session Session, texts []string) ([]Parsed, error) {
	const chunk = 500
	all := make([]Parsed, 0, len(texts))
	for start := 0; start < len(texts); start += chunk {
		part := texts[start:min(start+chunk, len(texts))]
		args := make([]any, len(part))
		for i, t := range part {
			args[i] = t
		}
		query := "SELECT CAST(json_serialize_sql(q) AS VARCHAR) FROM (SELECT unnest([CAST(? AS VARCHAR)" + strings.Repeat(",?", len(part)-1) + "]) AS q)"
		trees, err := column(ctx, session, query, args...)
		if err != nil {
			return nil, err
		}
		if len(trees) != len(part) {
			return nil, fmt.Errorf("DuckDB gave %d syntax trees for %d queries", len(trees), len(part))
		}
		for i, tree := range trees {
			p, err := read(part[i], tree)
			if err != nil {
				return nil, err
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// column are the values of a query's only column.
func column(ctx context.Context, session Session, query string, args ...any) ([]string, error) {
	rows, err := session.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// read reads what json_serialize_sql gives for a text.
func read(text, tree string) (Parsed, error) {
	v, err := decode(tree)
	if err != nil {
		return Parsed{}, err
	}
	root := v.object
	if root.get("error").scalar == "true" {
		r := &Refusal{Syntax: root.get("error_type").text() == "parser", Message: root.get("error_message").text(), At: -1}
		if characters := (value{scalar: root.get("position").text()}).offset(); characters >= 0 {
			r.At = ByteOffset(text, characters)
		}
		return Parsed{Refused: r}, nil
	}
	var p Parsed
	for _, s := range root.get("statements").list {
		if s.object == nil {
			return Parsed{}, errors.New("read DuckDB's syntax tree: a statement is no object")
		}
		p.Statements = append(p.Statements, Statement{s.object})
	}
	return p, nil
}

// ByteOffset turns an offset in characters, which DuckDB's parser counts, into one in bytes, which are in its trees.
func ByteOffset(text string, characters int) int {
	for i := range text {
		if characters <= 0 {
			return i
		}
		characters--
	}
	return len(text)
}

// Text is the tree as SQL, as DuckDB writes it: without comments, and 1.5e0 as 1.5, which has another type.
func (s Statement) Text(ctx context.Context, session Session) (string, error) {
	tree, err := s.MarshalJSON()
	if err != nil {
		return "", err
	}
	text, err := column(ctx, session, "SELECT json_deserialize_sql(CAST(? AS JSON))", `{"error":false,"statements":[`+string(tree)+"]}")
	if err != nil {
		return "", err
	}
	return strings.Join(text, ""), nil
}

var _ json.Marshaler = Statement{}

// MarshalJSON gives the tree as DuckDB's functions take it.
func (s Statement) MarshalJSON() ([]byte, error) { return value{object: s.object}.append(nil), nil }
