// Package sqltext turns a query as the user wrote it into text for DuckDB: STREAM names become
// relations of the schema "__stream", ${parameters} become literals. It keeps the way back, so that an error at an
// offset of DuckDB's text is shown at the line and column of the user's file. It has a lexer, not a
// parser: DuckDB parses.
package sqltext

import "github.com/lakeflow/lakeflow/dsl/diag"

// StreamSchema is the DuckDB schema whose relations are the new rows of a dataset.
const StreamSchema = "__stream"

// Query is a query or expression in both spellings.
type Query struct {
	Raw  string // as written, after YAML
	Text string // for DuckDB
	// Streams are the names read through STREAM, in order, with where they stand.
	Streams []Ref
	// Params are the parameters that were bound.
	Params []Ref
	// UsesMetadata is true when an identifier _metadata occurs.
	UsesMetadata bool

	// The helper that builds the Query fills these; see At.
	pieces []piece
	lines  []linePos
	file   string
}

// Ref is a name in a query and where it stands.
type Ref struct {
	Name  string
	Range diag.Range
}

type piece struct{ out, raw, n int }

type linePos struct {
	offset int
	pos    diag.Pos
}
