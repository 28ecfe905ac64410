package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// As the pipeline has them.
const (
	topic      = "orders_stream_example"
	group      = "lakeflow_orders_stream"
	partitions = 3
)

// startBroker starts a broker in this process that keeps its log in a folder, so that the next start goes on where this
// one ends.
func startBroker(folder string) (*kfake.Cluster, error) {
	_, port, err := net.SplitHostPort(freeAddress("127.0.0.1:9092"))
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(n), kfake.DataDir(folder))
	if err != nil {
		return nil, fmt.Errorf("start a broker: %w", err)
	}
	return c, nil
}

// freeAddress is the address when nothing listens there, else one with another port.
func freeAddress(wanted string) string {
	for _, address := range []string{wanted, "127.0.0.1:0"} {
		if l, err := net.Listen("tcp", address); err == nil {
			defer func() { _ = l.Close() }()
			return l.Addr().String()
		}
	}
	return wanted
}

// shop sends orders to the topic.
type shop struct {
	client *kgo.Client
	admin  *kadm.Client
	next   int64            // id of the next order
	sent   map[string]int64 // number of orders by what is wrong with them
}

// openShop makes the topic, if it is not there, and goes on behind the orders that are in it.
func openShop(ctx context.Context, brokers string) (*shop, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.RecordDeliveryTimeout(10*time.Second))
	if err != nil {
		return nil, err
	}
	s := &shop{client: client, admin: kadm.NewClient(client), next: 1, sent: map[string]int64{}}
	if _, err := s.admin.CreateTopic(ctx, partitions, -1, nil, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		client.Close()
		return nil, fmt.Errorf("make topic %s at %s: %w", topic, brokers, err)
	}
	ends, err := s.ends(ctx)
	if err != nil {
		client.Close()
		return nil, err
	}
	for _, end := range ends {
		s.next += end
	}
	return s, nil
}

// ends are the offsets behind the last record, by partition.
func (s *shop) ends(ctx context.Context) (map[int32]int64, error) {
	listed, err := s.admin.ListEndOffsets(ctx, topic)
	if err = errors.Join(err, listed.Error()); err != nil {
		return nil, fmt.Errorf("ask for the end of topic %s: %w", topic, err)
	}
	ends := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	return ends, nil
}

// send sends orders at a rate until ctx is done, and waits until the broker has them.
func (s *shop) send(ctx context.Context, perSecond int) error {
	const tick = 20 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	began, first := time.Now(), s.next
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-ticker.C:
			var records []*kgo.Record
			for due := first + int64(now.Sub(began).Seconds()*float64(perSecond)); s.next < due; s.next++ {
				record, fault := newOrder(s.next, now)
				records = append(records, record)
				s.sent[fault]++
			}
			if err := s.client.ProduceSync(context.WithoutCancel(ctx), records...).FirstErr(); err != nil {
				return fmt.Errorf("send orders: %w", err)
			}
		}
	}
	return nil
}

// awaitReaders waits until everything is in the tables, or until ctx is done.
func (s *shop) awaitReaders(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := s.behind(context.WithoutCancel(ctx))
		if n == 0 || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil
}

// behind is how many orders are not in the tables, as far as the consumer group was told.
func (s *shop) behind(ctx context.Context) (n int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ends, err := s.ends(ctx)
	if err != nil {
		return 0, err
	}
	read, err := s.admin.FetchOffsets(ctx, group)
	if err != nil {
		return 0, fmt.Errorf("ask how far the tables are: %w", err)
	}
	for partition, end := range ends {
		if at, ok := read.Lookup(topic, partition); ok {
			end -= at.At
		}
		n += end
	}
	return n, nil
}
