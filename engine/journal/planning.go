package journal

import (
	"strings"

	"github.com/lakeflow/lakeflow/engine/incremental"
	"github.com/lakeflow/lakeflow/schemas"
)

// Why says why a materialized view is computed in full. The zero value is no reason.
type Why struct {
	Code string // one of incremental's codes, or one of these; empty where Databricks has no name for it
	Text string
}

// Databricks' names of what is in the way that is not in the query.
const (
	NothingToFollow    = "CHANGE_SET_MISSING"        // it is not known what has changed since
	DefinitionChanged  = "QUERY_FINGERPRINT_CHANGED" // of the query
	ConfigurationOther = "CONFIGURATION_CHANGED"     // of the expectations, or of how it is refreshed
	RowsChanged        = "DATA_HAS_CHANGED"          // another program has written
)

// Planned notes how a materialized view is kept up to date in this update, in Databricks' words: NO_OP,
// COMPLETE_RECOMPUTE and others, and why it is not done in a cheaper way, where something is in its way.
func (j *Journal) Planned(table, technique string, whys ...Why) {
	chosen := schemas.TechniqueInformation{Type: "MAINTENANCE_TYPE_" + technique, Chosen: true, Applicable: true}
	var texts []string
	for _, why := range whys {
		chosen.Issues = append(chosen.Issues, issue(why))
		texts = append(texts, why.Text)
	}
	message := table + " has been planned to be executed as " + technique
	if len(texts) > 0 {
		message += ": " + strings.Join(texts, " ")
	}
	j.add("planning_information", table, table, "INFO", message, schemas.PlanningInformation{Techniques: []schemas.TechniqueInformation{chosen}})
}

// issue is a reason in Databricks' shape: what is in the way in the query is the sub-type of a plan's issue.
func issue(why Why) schemas.IncrementalizingIssue {
	i := schemas.IncrementalizingIssue{Type: why.Code, Prevents: true, Message: why.Text}
	switch why.Code {
	case "", NothingToFollow, DefinitionChanged, ConfigurationOther, RowsChanged, incremental.TooCostly:
	case incremental.NotDeterministic:
		i.Type, i.NotDeterministic = "PLAN_NOT_DETERMINISTIC", why.Code
	default:
		i.Type, i.NotIncremental = "PLAN_NOT_INCREMENTALIZABLE", why.Code
	}
	return i
}
