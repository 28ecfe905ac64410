package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// brokersVariable names a Kafka to measure with. Without it, a fake broker in a process of its own is.
const brokersVariable = "LAKEFLOW_KAFKA_BROKERS"

// partitions of every topic.
const partitions = 8

// broker is the Kafka that topics are in.
type broker struct {
	addresses string // comma-separated
	what      string // for the report
	process   *process
	topics    []string
}

// broker starts a fake broker, or takes the one that the environment names. It is there until the bench ends.
func (b *bench) broker(ctx context.Context) (*broker, error) {
	if b.kafka != nil {
		return b.kafka, nil
	}
	k, err := b.newBroker(ctx)
	b.kafka = k
	return k, err
}

func (b *bench) newBroker(ctx context.Context) (*broker, error) {
	if addresses := os.Getenv(brokersVariable); addresses != "" {
		return &broker{addresses: addresses, what: "Kafka"}, nil
	}
	p, err := start(ctx, b.self, "broker")
	if err != nil {
		return nil, err
	}
	address, err := p.line()
	if err != nil {
		return nil, err
	}
	return &broker{addresses: address, what: "kfake", process: p}, nil
}

// topic makes a topic with a name of its own. close removes it.
func (k *broker) topic(ctx context.Context, name string) (string, error) {
	cl, err := client(k.addresses)
	if err != nil {
		return "", err
	}
	defer cl.Close()
	name = fmt.Sprintf("bench-%s-%d", name, time.Now().UnixNano())
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, partitions, 1, nil, name); err != nil {
		return "", fmt.Errorf("make topic %s: %w", name, err)
	}
	k.topics = append(k.topics, name)
	return name, nil
}

// close ends the fake broker, or leaves the real one as it was.
func (k *broker) close() error {
	if k.process != nil {
		return k.process.stop()
	}
	cl, err := client(k.addresses)
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).DeleteTopics(context.Background(), k.topics...)
	return err
}

func client(addresses string, opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(opts, kgo.SeedBrokers(strings.Split(addresses, ",")...))...)
}

// runBroker is a fake broker that says its address and lives until its input ends.
func runBroker(_ context.Context, _ []string, in io.Reader, out io.Writer) error {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer cluster.Close()
	if _, err := fmt.Fprintln(out, cluster.ListenAddrs()[0]); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// producer writes uncompressed records to the partitions that they name.
func producer(addresses string, opts ...kgo.Opt) (*kgo.Client, error) {
	return client(addresses, append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
}

// runFill produces the lines of the files of a folder, in turn into all partitions. Arguments: brokers, topic, folder.
func runFill(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
	files, err := filepath.Glob(filepath.Join(args[2], "*.json"))
	if err != nil {
		return err
	}
	cl, err := producer(args[0], kgo.MaxBufferedRecords(50_000))
	if err != nil {
		return err
	}
	defer cl.Close()
	var failure error
	n := 0
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(f); lines.Scan(); n++ {
			r := &kgo.Record{Topic: args[1], Partition: int32(n % partitions), Value: slices.Clone(lines.Bytes())}
			cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
				if err != nil {
					failure = err // callbacks come one at a time, and Flush waits for them
				}
			})
		}
		_ = f.Close() // nothing was written
	}
	if err := cl.Flush(ctx); err != nil {
		return err
	}
	return failure
}

// runConsume reads a topic to its end and throws it away. Arguments: brokers, topic, number of records.
func runConsume(ctx context.Context, args []string, _ io.Reader, _ io.Writer) error {
	want, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	offsets := map[int32]kgo.Offset{}
	for p := range int32(partitions) {
		offsets[p] = kgo.NewOffset().AtStart()
	}
	cl, err := client(args[0], kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{args[1]: offsets}), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer cl.Close()
	for n := 0; n < want; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		n += fetches.NumRecords()
	}
	return nil
}
