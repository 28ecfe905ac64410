package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// kfakeMain is a broker for scripts, and what is done to it. The first word says what, the second is the file of its
// address: a broker that is started again has the same one, and holds nothing.
//
//	exec kfake serve broker.txt orders:2 &    a broker with the topic orders of 2 partitions, until it is interrupted
//	exec kfake silent broker.txt &            something that takes connections and says nothing
//	exec kfake wait broker.txt                waits until the broker answers
//	exec kfake create broker.txt orders 2     a topic
//	exec kfake produce broker.txt orders 1    a record of partition 1 for each line of the input: key=value or value, "-" for a tombstone
//	exec kfake consume broker.txt orders      prints the records that are committed: lakeflow.commit, key ("-" for none) and value, sorted
//	exec kfake trim broker.txt orders 1 5     deletes the records of partition 1 before offset 5
//	exec kfake group broker.txt watch         prints what a consumer group was told
//	exec kfake forget broker.txt watch        deletes a consumer group
func kfakeMain() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := kfakeRun(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kfake:", err)
		os.Exit(1)
	}
}

func kfakeRun(ctx context.Context, args []string) error {
	what, file, args := args[0], args[1], args[2:]
	switch what {
	case "serve":
		return serveBroker(ctx, file, args)
	case "silent":
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		return announce(ctx, file, l.Addr().String())
	}
	cl, err := brokerClient(ctx, file)
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	switch what {
	case "wait":
		return nil
	case "create":
		n, err := strconv.ParseInt(args[1], 10, 32)
		if err != nil {
			return err
		}
		_, err = admin.CreateTopic(ctx, int32(n), 1, nil, args[0])
		return err
	case "produce":
		return produce(ctx, cl, args[0], args[1])
	case "consume":
		return consume(ctx, file, args[0])
	case "trim":
		return trim(ctx, admin, args)
	case "group":
		return printGroup(ctx, admin, args[0])
	case "forget":
		gone, err := admin.DeleteGroup(ctx, args[0])
		return errors.Join(err, gone.Err)
	}
	return errors.New("there is no " + what)
}

func serveBroker(ctx context.Context, file string, topics []string) error {
	opts := []kfake.Opt{kfake.NumBrokers(1)}
	if address, err := os.ReadFile(file); err == nil {
		_, port, err := net.SplitHostPort(string(address))
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(port)
		if err != nil {
			return err
		}
		opts = append(opts, kfake.Ports(n))
	}
	for _, t := range topics {
		name, partitions, _ := strings.Cut(t, ":")
		n, err := strconv.ParseInt(partitions, 10, 32)
		if err != nil {
			return err
		}
		opts = append(opts, kfake.SeedTopics(int32(n), name))
	}
	cluster, err := kfake.NewCluster(opts...)
	if err != nil {
		return err
	}
	defer cluster.Close()
	return announce(ctx, file, cluster.ListenAddrs()[0])
}

// announce writes the address and waits for the end.
func announce(ctx context.Context, file, address string) error {
	if err := os.WriteFile(file+".new", []byte(address), 0o644); err != nil {
		return err
	}
	if err := os.Rename(file+".new", file); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// brokerClient waits until the broker of the file is there.
func brokerClient(ctx context.Context, file string) (*kgo.Client, error) {
	err := errors.New("no address")
	for range 1000 {
		if address, readErr := os.ReadFile(file); readErr == nil {
			var cl *kgo.Client
			if cl, err = kgo.NewClient(kgo.SeedBrokers(string(address)), kgo.RecordPartitioner(kgo.ManualPartitioner())); err != nil {
				return nil, err
			}
			if err = cl.Ping(ctx); err == nil {
				return cl, nil
			}
			cl.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, fmt.Errorf("the broker does not start: %w", err)
}

func produce(ctx context.Context, cl *kgo.Client, topic, partition string) error {
	p, err := strconv.ParseInt(partition, 10, 32)
	if err != nil {
		return err
	}
	var records []*kgo.Record
	for in := bufio.NewReader(os.Stdin); ; {
		line, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		r := &kgo.Record{Topic: topic, Partition: int32(p), Timestamp: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)}
		value := strings.TrimSuffix(line, "\n")
		if key, rest, ok := strings.Cut(value, "="); ok {
			r.Key, value = []byte(key), rest
		}
		if value != "-" {
			r.Value = []byte(value)
		}
		records = append(records, r)
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

func consume(ctx context.Context, file, topic string) error {
	address, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	records, err := committed(ctx, string(address), topic)
	var lines []string
	for _, r := range records {
		lines = append(lines, recordLine(r))
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	return err
}

// committed reads the records of a topic whose transactions are committed now.
func committed(ctx context.Context, broker, topic string) ([]*kgo.Record, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListCommittedOffsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	var records []*kgo.Record
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				records = append(records, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return records, nil
}

func recordLine(r *kgo.Record) string {
	key, commit := "-", ""
	if r.Key != nil {
		key = string(r.Key)
	}
	for _, h := range r.Headers {
		if h.Key == "lakeflow.commit" {
			commit = string(h.Value)
		}
	}
	if r.Value == nil { // a tombstone
		return commit + " " + key + " null"
	}
	return commit + " " + key + " " + string(r.Value)
}

func trim(ctx context.Context, admin *kadm.Client, args []string) error {
	p, err := strconv.ParseInt(args[1], 10, 32)
	if err != nil {
		return err
	}
	offset, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	var to kadm.Offsets
	to.AddOffset(args[0], int32(p), offset, -1)
	done, err := admin.DeleteRecords(ctx, to)
	return errors.Join(err, done.Error())
}

func printGroup(ctx context.Context, admin *kadm.Client, group string) error {
	committed, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return err
	}
	var lines []string
	committed.Each(func(o kadm.OffsetResponse) {
		lines = append(lines, fmt.Sprintf("%s %d %d", o.Topic, o.Partition, o.At))
	})
	slices.Sort(lines)
	_, err = fmt.Println(strings.Join(lines, "\n"))
	return err
}
