// Package sqlfile reads pipelines that are written as statements of SQL, as Databricks Lakeflow (Delta Live Tables) and
// Spark's declarative pipelines have them: plain files, and notebooks that were exported as source. It knows the
// statements; queries and expressions in them are passed on as they are written.
package sqlfile

import (
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// Statement is one of *CreateTable, *CreateView, *CreateFlow, *ApplyChanges, *Set, *Use, *Refresh and *Alter.
//
// In all of them a part that is not written is nil, or a Range that IsZero.
type Statement interface{ head() *Head }

// Head is what all statements have.
type Head struct {
	Range  diag.Range // from the first word to the last
	Flawed bool       // a mistake in it was reported: parts may be missing
}

func (h *Head) head() *Head { return h }

// TableKind is what a CREATE … TABLE or MATERIALIZED VIEW makes.
type TableKind string

// The kinds.
const (
	StreamingTable   TableKind = "streaming table"
	MaterializedView TableKind = "materialized view"
	PlainTable       TableKind = "table" // CREATE TABLE: fed by its FLOW or, in Spark, made AS a query
)

// CreateTable is CREATE STREAMING TABLE, CREATE MATERIALIZED VIEW, CREATE TABLE, and the older CREATE LIVE TABLE.
type CreateTable struct {
	Head
	Kind    TableKind
	Private diag.Range // PRIVATE, or the older TEMPORARY
	Dataset
	Flow *Flow // FLOW …; such a table has no Query
}

// CreateView is CREATE VIEW, CREATE TEMPORARY VIEW and the older CREATE LIVE VIEW.
type CreateView struct {
	Head
	Temporary diag.Range
	Streaming diag.Range // STREAMING, or the older INCREMENTAL
	Dataset
}

// Dataset is what tables and views have in common. Neither has all of the clauses.
type Dataset struct {
	Or           Word       // REFRESH or REPLACE
	Live         diag.Range // LIVE: the older form
	IfNotExists  diag.Range
	Name         Name
	Columns      []Column
	Expectations []Expectation
	Constraints  []Constraint
	Clauses      Clauses
	Query        *Text
}

// Word is a name without its quotes, a text without its quotes, or a number or keyword as it is written.
type Word struct {
	Text  string
	Range diag.Range
}

// Text is a query, expression or type as it is written.
type Text struct {
	SQL   string
	Range diag.Range
}

// Origin is where the text stands, for sqltext.
func (t Text) Origin() sqltext.Origin {
	return sqltext.Origin{File: t.Range.File, Marks: []sqltext.Mark{{Pos: t.Range.Start}}}
}

// Name is a name of one to three parts: catalog, schema and name. A part may hold ${parameters}, which are replaced as
// text. For IDENTIFIER(…) it is an expression instead.
type Name struct {
	Parts []Word
	Live  diag.Range // LIVE. before the parts
	Expr  *Text
	Range diag.Range
}

// Column is a column that is declared. Its properties are informational, but for Comment.
type Column struct {
	Name       Word
	Type       *Text
	NotNull    diag.Range
	Comment    *Word
	Default    *Text
	Generated  *Text       // AS (expression)
	Identity   *Identity   // GENERATED … AS IDENTITY (…)
	Constraint *Constraint // PRIMARY KEY, REFERENCES, without columns
	Mask       *Function
	Collation  *Word
}

// Identity numbers rows: the first one is Start, each other one Step behind the one before it. Both are written numbers.
type Identity struct {
	Start, Step string
	Range       diag.Range
}

// Expectation is CONSTRAINT name EXPECT (condition) [ON VIOLATION DROP ROW | FAIL UPDATE | QUARANTINE | WARN].
type Expectation struct {
	Name        Word
	Condition   Text
	OnViolation Word // DROP, FAIL, QUARANTINE or WARN, empty where only counted
	Range       diag.Range
}

// Constraint is a key that is declared and not enforced.
type Constraint struct {
	Name       *Word
	Kind       Word // PRIMARY KEY, FOREIGN KEY, CHECK or UNIQUE
	Columns    []Word
	References *Name
	Referenced []Word
	Check      *Text
	Range      diag.Range
}

// Function is a function that masks a column, or filters rows, with what it is called with.
type Function struct {
	Name      Name
	Arguments []Text
	Range     diag.Range
}

// Clauses are what a table or view may have besides columns and query, in any order.
type Clauses struct {
	Comment       *Word
	PartitionedBy []Text // columns, or in Spark transforms such as days(ts)
	ClusterBy     *Cluster
	Using         *Word
	Location      *Word
	Properties    []Property
	Options       []Property
	Collation     *Word
	RowFilter     *Function
	Schedule      *Schedule
	RefreshPolicy *Word // AUTO, INCREMENTAL, INCREMENTAL STRICT or FULL
	at            map[string]diag.Range
}

// At is the place of a clause by its first words, as in At("CLUSTER BY"); it IsZero for one that is not written.
func (c *Clauses) At(words string) diag.Range { return c.at[words] }

// Cluster is CLUSTER BY (columns), AUTO or NONE.
type Cluster struct {
	Auto    Word // AUTO or NONE, else empty
	Columns []Word
	Range   diag.Range
}

// Property is key = value.
type Property struct {
	Key, Value Word
}

// Schedule is when a table of a SQL warehouse is refreshed.
type Schedule struct {
	Every    *Text // a number and its unit
	Cron     *Word
	TimeZone *Word
	OnUpdate diag.Range // TRIGGER ON UPDATE
	AtMost   *Text      // AT MOST EVERY INTERVAL: a number and its unit
	Range    diag.Range
}

// Flow is what feeds a table: a query whose rows are added, or changes.
type Flow struct {
	Once         diag.Range
	ByName       diag.Range
	Checkpoint   *Word // IMPORT CHECKPOINT
	Query        *Text
	ReplaceWhere *Text
	ReplaceUsing *Replace
	Changes      *Changes
	Range        diag.Range
}

// Replace is REPLACE USING (columns) SEQUENCE BY column.
type Replace struct {
	Columns    []Word
	SequenceBy *Text
	Range      diag.Range
}

// CreateFlow is CREATE FLOW name AS INSERT INTO target …, or AS AUTO CDC INTO target ….
type CreateFlow struct {
	Head
	Name    Name
	Comment *Word
	Target  Name
	Flow    Flow
}

// ApplyChanges is the older APPLY CHANGES INTO target, which makes a flow without a name.
type ApplyChanges struct {
	Head
	Target  Name
	Changes Changes
}

// Changes says how the rows of a stream are applied to a table, by key.
type Changes struct {
	From              *Text // STREAM(name), STREAM name, name or a query in brackets
	Snapshot          *Snapshot
	Keys              []Word
	KeysAt            diag.Range
	IgnoreNullUpdates *Columns // that without columns is all of them
	Where             *Text
	ApplyAsDelete     *Text
	ApplyAsTruncate   *Text
	SequenceBy        *Text
	SystemSequenceBy  *Text
	Columns           *Columns
	StoredAs          *Word // "1", "2" or BITEMPORAL
	TrackHistoryOn    *Columns
	ColumnsToUpdate   *Word
	Range             diag.Range
}

// Snapshot is FROM SNAPSHOT (query) WITH VERSION (query).
type Snapshot struct {
	Query   Text
	Version *Text
	Range   diag.Range
}

// Columns are some columns: those that are listed, or all but those.
type Columns struct {
	Names  []Word
	Except bool
	Range  diag.Range
}

// Set is SET key = value: from there on ${key} stands for the value. It has no value where the statement only shows it.
type Set struct {
	Head
	Key   Word
	Value *Word
}

// Use is USE CATALOG or USE SCHEMA: what names without a catalog or schema mean from there on. For USE name, which may
// be catalog.schema, What is empty.
type Use struct {
	Head
	What Word // CATALOG or SCHEMA
	Name Name
}

// Refresh is REFRESH MATERIALIZED VIEW or STREAMING TABLE, which is said of a table from outside of its pipeline.
type Refresh struct {
	Head
	Name  Name
	Full  diag.Range
	Where *Text
	Wait  Word // SYNC or ASYNC
}

// Alter is ALTER of a table or view. What it does is not looked at.
type Alter struct {
	Head
	What   Word // STREAMING TABLE, MATERIALIZED VIEW, TABLE or VIEW
	Name   Name
	Action Text
}
