// Package kafka reads topics of Apache Kafka and of what speaks its protocol. It reads partitions directly and keeps no
// state at the brokers: a position holds the next offset of every partition, with the epoch of its leader and the
// topic's id, so that a log that was cut, deleted or made anew is found out and never passed over in silence: see
// GapError. Records are fetched ahead of need, decoded to JSON in Go and read by DuckDB from files of JSON lines,
// strictly at first, record by record where a file does not fit.
//
// What becomes of odd records:
//
//	NULL value (tombstone)                      a row of NULLs; _metadata.key says what was deleted
//	empty value                                 json, avro, protobuf: a dead letter; string and bytes: an empty value
//	no JSON object, two values, a NUL byte      a dead letter
//	a value that does not fit its column        a dead letter, or in _rescued_data; also where only a fraction would be lost
//	a known key twice                           a dead letter
//	not UTF-8                                   a dead letter, where the format is json or string
//	more than 1000 levels of nesting            a dead letter; what is inferred is a text below the sixteenth level
//	64 MB                                       read like any other, if brokers let it pass
//	a schema id that the registry lacks         a dead letter
//	brokers or a registry that are away         Next fails with a *sources.UnavailableError, and can be called again
//
// Dead letters have the topic, partition, offset and reason, and the first MiB of the value as it was found. Fields of
// formats with schemas become columns of the same meaning: decimals and 64-bit numbers are exact, bytes are BLOB,
// nanoseconds since 1970 are BIGINT, unions of several types and messages that hold themselves are JSON in VARCHAR.
package kafka
