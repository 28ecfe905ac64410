package sqlfile

import (
	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// reader makes a source of a call that reads files or another system, for a query that feeds a table. It is false when
// it cannot, which is reported.
func (b *builder) reader(_ *scope, _ string, r spark.Relation) (*dsl.Source, bool) {
	b.refuse(r.Range, "declare it as a source", "this reads files by "+r.Function)
	return nil, false
}
