package schemas

import "slices"

// OwnPrefix is how names of columns begin that lakeflow adds; those of users do not.
const OwnPrefix = "__lakeflow_"

// The columns that say of a row where the record is that it was made of. They stand in a table's data files beside its
// own columns, and in none of its schemas: who reads the table by field ids, as Iceberg wants it, does not see them.
const (
	// PlaceColumn is the number of the file or topic, as sources.PlaceID gives it.
	PlaceColumn = "__lakeflow_place"
	// PartitionColumn is the partition of a topic, and PositionColumn the offset in it.
	PartitionColumn = "__lakeflow_partition"
	PositionColumn  = "__lakeflow_position"
)

// provenanceID is the first of their field ids: no table has as many columns, and Iceberg's own begin above.
const provenanceID = 2_000_000_001

// Provenance returns these columns, with field ids. Without positions, only the place is known.
func Provenance(positions bool) Table {
	t := Table{column(PlaceColumn, BigInt), column(PartitionColumn, Integer), column(PositionColumn, BigInt)}
	for i := range t {
		t[i].ID = provenanceID + i
	}
	if !positions {
		return t[:1]
	}
	return t
}

// WithProvenance returns the columns of a table and behind them those of provenance, or no more than the table's where
// one of its own has such a name.
func WithProvenance(t, provenance Table) Table {
	for _, c := range provenance {
		if t.Column(c.Name) != nil {
			return t
		}
	}
	return slices.Concat(t, provenance)
}
