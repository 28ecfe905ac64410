package sources

import (
	"fmt"
	"time"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
)

// Factory is a kind of sources that a pipeline file can declare.
type Factory struct {
	// Name is the key that sources of the kind are declared with: files.
	Name string
	// Description says for people what is read, and Example shows how it is declared: "files: {path: …, format: …}".
	Description, Example string
	// Options makes the options of one more source. It is a pointer to a struct whose tags package dsl/option
	// describes.
	Options func() Options
}

// Options are what a pipeline file declares of one source under the name of its Factory.
type Options interface {
	// At is the place of a key in the file, or of the options themselves when the key was not written.
	At(key string) diag.Range
	// Check reports what is wrong with the options of the source of this name. That they have all keys that they must
	// have, and values of the right types, is seen to. Of options in which something is wrong all other methods but New
	// can be called.
	Check(source string, diags *diag.List)
	// Describe says what is read: "kafka topic orders".
	Describe() string
	// Metadata is the DuckDB type of _metadata, a STRUCT.
	Metadata() string
	Traits() Traits
	// Reads reports whether the source reads what is published there.
	Reads(there Place) bool
	// New makes the source, and reaches for nothing. An error begins with the option that it is about, and a colon, if
	// it is about one, and ends with a semicolon and what to do.
	New(Setup) (Source, error)
}

// Traits are how a kind of sources differs from others for those who use them.
type Traits struct {
	// Remote are the addresses of what the source is reached by over a network. It may be away, so that a command that
	// only looks does not wait for it long, and a continuous update does. Empty for a source on this machine.
	Remote []string
	// Loses is true when records can be gone before they were read: a user may say that the source is to go on behind
	// them.
	Loses bool
	// Ledger is true when what was read is in the ledger, and the position alone does not tell it.
	Ledger bool
	// Positions is true when the rows tell the partition and position of their records, and not only the place.
	Positions bool
	// Columns are those of every source with these options, whatever it holds; nil where they are not known beforehand.
	Columns schemas.Table
	// Changes says what the source's rows do to the rows of a table; nil where they are rows and no changes.
	Changes *Changes
}

// Changes are rows that are changes of the rows of a table. All SQL is over the source's columns.
type Changes struct {
	// Keys are the columns that tell the rows of the table apart, where the declaration names them; else Found has them.
	Keys []string
	// KeysRemedy says how the keys are declared, in the imperative, where neither has them.
	KeysRemedy string
	// SequenceBy is an expression whose order is that of the changes.
	SequenceBy string
	// DeleteWhen and TruncateWhen are conditions of changes that delete their row, or all rows. Empty for none.
	DeleteWhen, TruncateWhen string
	// NoData are the columns that say what the change is, and belong to no row of the table. The source has them behind
	// those that are declared.
	NoData schemas.Table
}

// Setup is what a source is made with beside its options.
type Setup struct {
	Name      string // of the source
	Dir       string // absolute: where relative paths start
	Hints     []Hint
	Evolution Evolution
	Texts     bool  // inferred columns are texts
	Declared  bool  // the columns are those of Hints, and Evolution is about all others
	MaxRows   int   // of a batch, for sources whose options do not bound it
	MaxBytes  int64 // too
	// Outside are folders, absolute and clean, whose files are not the source's wherever they lie: what lakeflow writes
	// itself.
	Outside []string
	// Continuous is true when a source goes on to read what comes up after it was made.
	Continuous bool
	// AcceptGap is true for a source that is to go on behind records that it has lost.
	AcceptGap bool
	Timeout   time.Duration // how long the other side may take to answer; 0 means the connector's default
}

// Hint gives the type of one column, in DuckDB's spelling.
type Hint struct{ Name, Type string }

// Evolution is what happens when a record has a column that the source does not have: Auto Loader's schema evolution
// modes.
type Evolution string

// The evolution modes.
const (
	AddNewColumns Evolution = "add_new_columns" // the default
	AddAndRescue  Evolution = "add_new_columns_and_rescue"
	Rescue        Evolution = "rescue"
	Fail          Evolution = "fail"
	None          Evolution = "none"
)

// Adds says whether columns that the source does not have become columns of it.
func (e Evolution) Adds() bool { return e == AddNewColumns || e == AddAndRescue }

// Rescues says whether what no column holds is kept in a column of its own, and makes no dead letter.
func (e Evolution) Rescues() bool { return e == Rescue || e == AddAndRescue }

// Ignores says whether columns that the source does not have are passed over.
func (e Evolution) Ignores() bool { return e == None }

// Check is an error for what is no mode.
func (e Evolution) Check() error {
	switch e {
	case AddNewColumns, AddAndRescue, Rescue, Fail, None:
		return nil
	}
	return fmt.Errorf("schema_evolution %q is unknown; write add_new_columns, add_new_columns_and_rescue, rescue, fail or none", string(e))
}

// Place is where rows are published to, so that a source can tell whether it reads them again.
type Place struct {
	System    string   // kafka
	Addresses []string // by which it is reached
	Name      string   // of the topic
}
