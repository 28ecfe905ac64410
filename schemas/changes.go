package schemas

// ChangeFeed are the columns that a change feed has behind those of its table, called as in Delta Lake's: what happened
// to the row (insert, delete, update_preimage, update_postimage), and the number and time of the commit.
func ChangeFeed() Table {
	return Table{
		{Name: "_change_type", Type: Type{Kind: Varchar}},
		{Name: "_commit_version", Type: Type{Kind: BigInt}},
		{Name: "_commit_timestamp", Type: Type{Kind: TimestampTZ}},
	}
}
