package metadata

// Snapshot is one state of a table.
type Snapshot struct {
	SnapshotID       int64   `json:"snapshot-id"`
	ParentSnapshotID *int64  `json:"parent-snapshot-id,omitempty"`
	SequenceNumber   int64   `json:"sequence-number"`
	TimestampMs      int64   `json:"timestamp-ms"`
	ManifestList     string  `json:"manifest-list,omitempty"` // may be missing in version 1
	Summary          Summary `json:"summary,omitempty"`
	SchemaID         *int    `json:"schema-id,omitempty"`
}

// Summary tells what a snapshot changed. It is nil where the writer said nothing.
type Summary map[string]string

// The operations that lakeflow writes or tells from others.
const (
	Append    = "append"    // adds files
	Replace   = "replace"   // has the same rows in other files
	Overwrite = "overwrite" // adds and removes rows
	Delete    = "delete"    // removes rows
)

const operation = "operation"

// NewSummary is a summary with further entries.
func NewSummary(op string, entries map[string]string) Summary {
	s := Summary{}
	for k, v := range entries {
		s[k] = v
	}
	s[operation] = op
	return s
}

// Operation is what the snapshot did. One that says something, but not this, may have done anything.
func (s Summary) Operation() string {
	if op, ok := s[operation]; ok || len(s) == 0 {
		return op
	}
	return Overwrite
}
