package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// explain says of an error what to do, or makes a *sources.UnavailableError of it where it may go away by itself.
func (s *Sink) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err
	}
	var record *recordError
	switch {
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("topic %s is not there; create it, with as many partitions as it is to have: kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions 6; or correct topic",
			s.cfg.Topic, s.cfg.Brokers[0], s.cfg.Topic)
	case fenced(err):
		return fmt.Errorf("another process publishes as %s: %w. A pipeline with this name and this sink runs elsewhere; stop it, or give the pipeline or the sink another name", s.id(), err)
	case errors.Is(err, kerr.MessageTooLarge) && errors.As(err, &record):
		return fmt.Errorf("a row of %d bytes is larger than topic %s takes (max.message.bytes is %d); raise that of the topic, or publish a table without the large column", record.size, s.cfg.Topic, s.largest)
	case errors.Is(err, kerr.InvalidRecord):
		return fmt.Errorf("topic %s refuses a record: %w. A topic with cleanup.policy=compact takes none without a key: write key: with columns that are never NULL, or publish to another topic", s.cfg.Topic, err)
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return fmt.Errorf("the brokers refuse a transaction of %s; raise transaction.max.timeout.ms of the brokers: %w", txnTimeout, err)
	}
	if lost(err) {
		return &sources.UnavailableError{Err: err}
	}
	if needed := s.denied(err); needed != "" {
		return fmt.Errorf("%w; the brokers do not allow it: the user needs %s", err, needed)
	}
	return broker.Worldly(ctx, err)
}

// lost says whether the brokers have lost what they knew of the producer, or of its transaction: they forget one that
// does nothing for a week, and the last moments of a log whose leader changed uncleanly. Begin makes it known again.
func lost(err error) bool {
	for _, begin := range []error{kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.ConcurrentTransactions, kerr.TransactionAbortable, kerr.OutOfOrderSequenceNumber, kerr.InvalidTxnState} {
		if errors.Is(err, begin) {
			return true
		}
	}
	return false
}

func fenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch)
}

// denied names the permissions that an error asks for.
func (s *Sink) denied(err error) string {
	switch {
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return "Describe, Read and Write on topic " + s.cfg.Topic
	case errors.Is(err, kerr.GroupAuthorizationFailed):
		return "Read on group " + s.id()
	case errors.Is(err, kerr.TransactionalIDAuthorizationFailed):
		return "Describe and Write on transactional id " + s.id()
	case errors.Is(err, kerr.ClusterAuthorizationFailed):
		return "IdempotentWrite on the cluster"
	}
	return ""
}

// timedOut tells of a transaction that the brokers have aborted because it took too long: to the producer this looks as
// if another had taken its place.
func timedOut(err error, took time.Duration) error {
	if fenced(err) && took >= txnTimeout {
		return &sources.UnavailableError{Err: errors.New("the brokers ended the transaction, which took longer than " + txnTimeout.String() + "; if they do it again, make the batches smaller with trigger: " + strings.ToLower(err.Error()))}
	}
	return err
}
