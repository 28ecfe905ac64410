// Package records makes batches of records, whatever brings them. A source of records fetches them and knows how far it
// is; this package decodes them (JSON, Avro, Protobuf, texts, bytes, Debezium's change events), spills them into files
// that DuckDB reads, strictly at first and record by record where a file does not fit, finds the columns and lets them
// evolve, and sets aside what can't be taken. Where a record stands is a text that only its source understands: see Places.
//
// What becomes of odd records:
//
//	no value (tombstone)                        a row of NULLs; the key says what was deleted. debezium: ignored
//	empty value                                 json, avro, protobuf: a dead letter; string and bytes: an empty value
//	no JSON object, two values, a NUL byte      a dead letter
//	a value that does not fit its column        a dead letter, or in _rescued_data; as where a fraction would be lost
//	a known key twice                           a dead letter
//	not UTF-8                                   a dead letter, where the format is json or string
//	more than 1000 levels of nesting            a dead letter; what is inferred is a text below the sixteenth level
//	64 MB                                       read like any other
//	a schema id that the registry lacks         a dead letter
//
// Dead letters have the place, the reason, and the first MiB of the value as it was found. Fields of formats with
// schemas become columns of the same meaning: decimals and 64-bit numbers are exact, bytes are BLOB, nanoseconds since
// 1970 are BIGINT, unions of several types and messages that hold themselves are JSON in VARCHAR.
package records
