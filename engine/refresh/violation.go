package refresh

import (
	"fmt"

	"github.com/lakeflow/lakeflow/engine/journal"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
)

// ViolationError says that rows violated an expectation with action fail: nothing of the batch was published.
type ViolationError struct {
	Table, Flow string
	Rules       []schemas.ExpectationResult
	Sample      []lake.DataFile // dead letters of some of the rows, to be committed with the event that tells of the failure
}

func (e *ViolationError) Error() string {
	text := fmt.Sprintf("table %s: the update is stopped and nothing of the batch is published:", e.Table)
	for _, r := range e.Rules {
		verb := "violate"
		if r.Failed == 1 {
			verb = "violates"
		}
		text += fmt.Sprintf("\n  %s %s %s: %s", journal.Rows(r.Failed), verb, r.Name, r.Expression)
	}
	return text + "\n  a sample of the rows is in the dead-letter table; see lakeflow dead-letters list"
}
