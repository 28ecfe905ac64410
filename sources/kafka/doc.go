// Package kafka reads topics of Apache Kafka and of what speaks its protocol. It reads partitions directly and keeps no
// state at the brokers: a position holds the next offset of every partition, with the epoch of its leader and the
// topic's id, so that a log that was cut, deleted or made anew is found out and never passed over in silence: see
// GapError. Records are fetched ahead of need; package records decodes them, and says what becomes of odd ones. Beyond
// that:
//
//	64 MB                                       read like any other, if brokers let it pass
//	brokers or a registry that are away         Next fails with a *sources.UnavailableError, and can be called again
//
// Dead letters have the topic, the partition and the offset.
package kafka
