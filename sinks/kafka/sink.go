package kafka

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/lakeflow/lakeflow/engine/failpoint"
	"github.com/lakeflow/lakeflow/sinks"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

const (
	// txnTimeout is after what time the brokers abort a transaction by themselves. It is longer than any publication
	// may take: one commit can have a gigabyte of rows. It is the time that consumers wait behind the open transaction
	// of a process that died and never came back, and brokers refuse more than 15 minutes unless told otherwise.
	txnTimeout = 5 * time.Minute
	// answerTimeout bounds the questions of Begin, and the end of a transaction. Brokers that are starting need some
	// seconds to load their logs of transactions.
	answerTimeout = 30 * time.Second
	// confirmTimeout is how long a transaction that was ended may take to be seen.
	confirmTimeout = 5 * time.Second
	// abandonTimeout bounds the attempt to abort what went wrong. Begin does the same, but readers would wait until
	// then.
	abandonTimeout = 5 * time.Second

	// bufferedBytes and bufferedRecords bound what waits for the brokers in memory.
	bufferedBytes   = 64 << 20
	bufferedRecords = 200_000

	// defaultLargest is the broker's default of max.message.bytes, less what a request needs.
	defaultLargest = 1_000_012
)

// Begin fences every other producer of the sink, waits until its transactions are decided, and returns up to where the
// group says that rows are published.
func (s *Sink) Begin(ctx context.Context) (*sinks.Published, error) {
	s.drop()
	soon, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	at, err := s.begin(soon)
	if err != nil {
		s.drop()
		return nil, s.explain(ctx, err)
	}
	if at == nil {
		return nil, nil
	}
	return &at.Published, nil
}

func (s *Sink) begin(ctx context.Context) (*standing, error) {
	// The newer versions of these requests leave it to the brokers to open transactions, and change the producer's
	// epoch. The client that sends the records must know of both; with the older ones it need not, and all brokers take
	// them.
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(kmsg.TxnOffsetCommit.Int16(), 4)
	versions.SetMaxKeyVersion(kmsg.EndTxn.Int16(), 4)
	var err error
	if s.control, err = s.client(kgo.MaxVersions(versions)); err != nil {
		return nil, err
	}
	if s.largest, err = s.look(ctx); err != nil {
		return nil, err
	}
	s.producer, err = s.client(kgo.TransactionalID(s.id()), kgo.TransactionTimeout(txnTimeout), kgo.ProducerBatchMaxBytes(s.largest),
		kgo.MaxBufferedBytes(max(bufferedBytes, int(s.largest))), kgo.MaxBufferedRecords(bufferedRecords))
	if err != nil {
		return nil, err
	}
	if _, _, err := s.producer.ProducerID(ctx); err != nil {
		return nil, fmt.Errorf("become the producer %s: %w", s.id(), err)
	}
	return s.published(ctx)
}

func (s *Sink) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return broker.Client(s.cfg.Brokers, s.cfg.Timeout, append(opts, s.security...)...)
}

// look makes sure that the topic is there, and returns how large a batch of records it takes.
func (s *Sink) look(ctx context.Context) (int32, error) {
	admin := kadm.NewClient(s.control)
	topics, err := admin.ListTopics(ctx, s.cfg.Topic)
	if err != nil {
		return 0, fmt.Errorf("ask %s for topic %s: %w", strings.Join(s.cfg.Brokers, ", "), s.cfg.Topic, err)
	}
	if err := topics[s.cfg.Topic].Err; err != nil {
		return 0, fmt.Errorf("ask for topic %s: %w", s.cfg.Topic, err)
	}
	if !topics.Has(s.cfg.Topic) {
		return 0, kerr.UnknownTopicOrPartition
	}
	largest := int64(defaultLargest)
	configs, err := admin.DescribeTopicConfigs(ctx, s.cfg.Topic)
	if err != nil { // it may not be allowed
		return int32(largest), nil
	}
	for _, c := range configs {
		for _, entry := range c.Configs {
			if n, err := strconv.ParseInt(entry.MaybeValue(), 10, 32); entry.Key == "max.message.bytes" && err == nil && n > 0 {
				largest = min(n, bufferedBytes)
			}
		}
	}
	return int32(largest), nil
}

// standing is what the group's offset says. The mark tells a publication from an earlier one up to the same commit,
// which --republish may repeat.
type standing struct {
	sinks.Published
	mark string // empty in offsets that have none
}

// metadata is the text beside the offset, which readStanding reads.
func (at standing) metadata() string { return at.Table + " " + at.mark }

func readStanding(offset int64, metadata string) *standing {
	table, mark, _ := strings.Cut(metadata, " ")
	return &standing{sinks.Published{Table: table, Commit: offset}, mark}
}

// published reads the group's offset.
func (s *Sink) published(ctx context.Context) (*standing, error) {
	var found *standing
	err := retry(ctx, func() error {
		found = nil
		offsets, err := kadm.NewClient(s.control).FetchOffsets(kadm.RequireStable(ctx), s.id())
		if errors.Is(err, kerr.GroupIDNotFound) {
			return nil
		} else if err != nil {
			return err
		}
		o, ok := offsets.Lookup(s.cfg.Topic, 0)
		if ok && o.Err == nil && o.At >= 0 {
			found = readStanding(o.At, o.Metadata)
		}
		return o.Err
	})
	if err != nil {
		return nil, fmt.Errorf("read the offset of group %s: %w", s.id(), err)
	}
	return found, nil
}

// passes says whether brokers give another answer soon: they are busy with the transaction before, or with their logs.
func passes(err error) bool {
	for _, soon := range []error{kerr.ConcurrentTransactions, kerr.UnstableOffsetCommit, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, errUnseen} {
		if errors.Is(err, soon) {
			return true
		}
	}
	return false
}

// retry calls do as long as its error passes.
func retry(ctx context.Context, do func() error) error {
	for pause := 2 * time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
		err := do()
		if !passes(err) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// Publish adds the rows and the group's offset in one transaction.
func (s *Sink) Publish(ctx context.Context, conn *sql.Conn, p sinks.Publication) error {
	if s.producer == nil {
		return errors.New("publish before Begin")
	}
	began := time.Now()
	ended, err := s.publish(ctx, conn, p)
	if err == nil {
		return nil
	}
	if !ended {
		s.abandon(ctx)
	}
	s.drop()
	return s.explain(ctx, timedOut(err, time.Since(began)))
}

// publish reports with an error whether the end of the transaction was asked for, which makes its outcome unclear.
func (s *Sink) publish(ctx context.Context, conn *sql.Conn, p sinks.Publication) (ended bool, err error) {
	file, err := s.write(ctx, conn, p)
	if err != nil {
		return false, err
	}
	defer file.remove()
	at := standing{p.At, rand.Text()}
	if p.Rows == 0 {
		return true, s.advance(ctx, at)
	}
	if err := s.producer.BeginTransaction(); err != nil {
		return false, err
	}
	if err := s.send(ctx, file, p); err != nil {
		return false, err
	}
	if err := s.commitOffset(ctx, at); err != nil {
		return false, err
	}
	failpoint.Hit("sink.before-end-txn")
	soon, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := s.producer.EndTransaction(soon, kgo.TryCommit); err != nil {
		return true, fmt.Errorf("end the transaction: %w", err)
	}
	return true, s.confirm(soon, at)
}

// confirm reads the offset back: it is what Begin would find, and no client's word that all went well. Brokers answer
// the end of a transaction before all of them know of it, and the first one of a group creates the group.
func (s *Sink) confirm(ctx context.Context, at standing) error {
	soon, cancel := context.WithTimeout(ctx, confirmTimeout)
	defer cancel()
	unseen := false
	err := retry(soon, func() error {
		now, err := s.published(soon)
		if err == nil && (now == nil || *now != at) {
			unseen, err = true, errUnseen
		}
		return err
	})
	if err != nil && unseen && ctx.Err() == nil { // the time may have ended within a later question: what was answered before stands
		return &sources.UnavailableError{Err: fmt.Errorf("the brokers did not commit the transaction of commit %d", at.Commit)}
	}
	return err
}

var errUnseen = errors.New("the transaction is not committed")

// advance is a transaction without rows. The producer knows nothing of it.
func (s *Sink) advance(ctx context.Context, at standing) error {
	if err := s.commitOffset(ctx, at); err != nil {
		return err
	}
	failpoint.Hit("sink.before-end-txn")
	soon, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	req := kmsg.NewPtrEndTxnRequest()
	id, epoch, err := s.producer.ProducerID(soon)
	if err == nil {
		req.TransactionalID, req.ProducerID, req.ProducerEpoch, req.Commit = s.id(), id, epoch, true
		err = retry(soon, func() error {
			resp, err := req.RequestWith(soon, s.control)
			if err != nil {
				return err
			}
			return kerr.ErrorForCode(resp.ErrorCode)
		})
	}
	if err != nil {
		return fmt.Errorf("end the transaction: %w", err)
	}
	return s.confirm(soon, at)
}

// commitOffset puts the group's offset into the transaction that is open, or opens one.
func (s *Sink) commitOffset(ctx context.Context, at standing) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	id, epoch, err := s.producer.ProducerID(ctx)
	if err != nil {
		return fmt.Errorf("put the offset into the transaction: %w", err)
	}
	add := kmsg.NewPtrAddOffsetsToTxnRequest()
	add.TransactionalID, add.ProducerID, add.ProducerEpoch, add.Group = s.id(), id, epoch, s.id()
	// The transaction before this one may not be through at all brokers yet.
	err = retry(ctx, func() error {
		resp, err := add.RequestWith(ctx, s.control)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(resp.ErrorCode)
	})
	if err == nil {
		err = retry(ctx, func() error { return s.txnOffset(ctx, id, epoch, at) })
	}
	if err != nil {
		return fmt.Errorf("put the offset into the transaction: %w", err)
	}
	return nil
}

func (s *Sink) txnOffset(ctx context.Context, id int64, epoch int16, at standing) error {
	req := kmsg.NewPtrTxnOffsetCommitRequest()
	req.TransactionalID, req.Group, req.ProducerID, req.ProducerEpoch = s.id(), s.id(), id, epoch
	topic, partition := kmsg.NewTxnOffsetCommitRequestTopic(), kmsg.NewTxnOffsetCommitRequestTopicPartition()
	metadata := at.metadata()
	topic.Topic, partition.Offset, partition.Metadata = s.cfg.Topic, at.Commit, &metadata
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(ctx, s.control)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// abandon aborts the open transaction as far as that is possible now.
func (s *Sink) abandon(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if s.producer.AbortBufferedRecords(ctx) == nil {
		_ = s.producer.EndTransaction(ctx, kgo.TryAbort) // Begin does it again
	}
}

// drop ends the connections.
func (s *Sink) drop() {
	for _, cl := range []*kgo.Client{s.producer, s.control} {
		if cl != nil {
			cl.Close()
		}
	}
	s.producer, s.control = nil, nil
}

// Close ends the connections. A transaction that is open is aborted by the next Begin.
func (s *Sink) Close() error {
	s.drop()
	return nil
}
