// Package debezium makes rows of Debezium's change events: JSON envelopes of before, after, op and source, with the
// Connect schema that JsonConverter puts around them or without it. It reads single records and knows neither files nor
// topics.
//
// A row has the columns of the table, those of after, and of before where a row was deleted; behind them stand those of
// Meta. Where a schema is there, its types count, and a value that its type does not hold is refused: see Schema.
// Without one the row's text is that of the record.
//
// What becomes of records:
//
//	c, u, r                                   a row of after
//	d                                         a row of before, or of the record's key where there is no before
//	t (truncate)                              a row of NULLs
//	m (message), tombstones, heartbeats,
//	changes of the schema, ends of
//	transactions                              ignored: they are no changes of the table's rows
//	another op, an envelope without a part
//	that it needs, an unchanged value that
//	PostgreSQL did not send                   refused
package debezium
