package kafka

import (
	"fmt"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/records"
)

// row are the columns of rows that are records, named and typed as Spark does; nil where rows are made of the value.
func (c Config) row() ([]records.Cell, error) {
	switch c.Row {
	case "", "value":
		return nil, nil
	case "record", "record_and_headers":
	default:
		return nil, fmt.Errorf("row %q is unknown; write value, record or record_and_headers", c.Row)
	}
	key, value := schemas.Blob, schemas.Blob
	if c.Key.KeyType() != "BLOB" {
		key = schemas.Varchar
	}
	if c.Value.Format == "string" {
		value = schemas.Varchar
	}
	cell := func(name string, kind schemas.Kind, sql string) records.Cell {
		return records.Cell{Column: schemas.Column{Name: name, Type: schemas.Type{Kind: kind}}, SQL: sql}
	}
	row := []records.Cell{
		cell("key", key, `_metadata."key"`), cell("value", value, `"value"`), cell("topic", schemas.Varchar, "_metadata.topic"),
		cell("partition", schemas.Integer, `_metadata."partition"`), cell("offset", schemas.BigInt, `_metadata."offset"`),
		cell("timestamp", schemas.TimestampTZ, `_metadata."timestamp"`),
		cell("timestampType", schemas.Integer, `CAST(CASE _metadata.timestamp_type WHEN 'CreateTime' THEN 0 WHEN 'LogAppendTime' THEN 1 ELSE -1 END AS INTEGER)`),
	}
	if c.Row == "record_and_headers" {
		headers, err := schemas.Storable(records.HeadersType)
		if err != nil {
			return nil, err
		}
		row = append(row, records.Cell{Column: schemas.Column{Name: "headers", Type: headers}, SQL: "_metadata.headers"})
	}
	return row, nil
}
