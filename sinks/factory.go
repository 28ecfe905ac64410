package sinks

import (
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
)

// Factory is a kind of sinks that a pipeline file can declare.
type Factory struct {
	// Name is the key that sinks of the kind are declared with: kafka.
	Name string
	// Description says for people where rows go, and Example shows how it is declared: "kafka: {brokers: […], topic:
	// …}".
	Description, Example string
	// Options makes the options of one more sink. It is a pointer to a struct whose tags package dsl/option describes.
	Options func() Options
}

// Options are what a pipeline file declares of one sink under the name of its Factory.
type Options interface {
	// At is the place of a key in the file, or of the options themselves when the key was not written.
	At(key string) diag.Range
	// Check reports what is wrong with the options of the sink of this name. That they have all keys that they must
	// have, and values of the right types, is seen to. Of options in which something is wrong all other methods but New
	// can be called.
	Check(sink string, diags *diag.List)
	// DeclaredKey are the columns that are declared to be the key of what is published, nil where none is.
	DeclaredKey() []string
	// CheckColumns reports what is wrong with them for the columns of a table.
	CheckColumns(sink, table string, columns schemas.Table, diags *diag.List)
	// Describe says where rows go: "kafka topic orders". Guarantee says what is promised of them there.
	Describe() string
	Guarantee() string
	Place() sources.Place
	// ReportLoop reports that the source of this name reads what the sink publishes, and that the rows of the table
	// come from it.
	ReportLoop(sink, source, table string, diags *diag.List)
	// New makes the publisher, and sends nothing. Its errors are like those of sources.Options.
	New(Setup) (Publisher, error)
}

// Setup is what a publisher is made with beside its options.
type Setup struct {
	Name, Pipeline string // of the sink and its pipeline: together they name it to the other side
	TempDir        string // a folder that DuckDB may write to and this process may read
}
