// Command orders_stream shows a stream running: it sends orders to a topic, some of which break the rules, and runs
// lakeflow beside it, which brings them into tables. Without --brokers it is its own broker.
//
//	go run ./examples/orders_stream
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	brokers string
	rate    int
	seconds int
	dir     string
}

func main() {
	var s settings
	flag.StringVar(&s.brokers, "brokers", "", "brokers to use, as host:port,host:port (default: one in this process)")
	flag.IntVar(&s.rate, "rate", 200, "orders per second")
	flag.IntVar(&s.seconds, "seconds", 0, "how long to send orders (default: until Ctrl-C)")
	flag.StringVar(&s.dir, "dir", "examples/orders_stream", "folder of pipeline.yaml")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "orders_stream:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (err error) {
	if flag.NArg() > 0 || s.rate < 1 || s.seconds < 0 {
		return errors.New("it takes flags only, and --rate from 1 on; see --help")
	}
	if err := s.check(); err != nil {
		return err
	}
	lake, err := findLakeflow(ctx, filepath.Join(s.dir, "pipeline.yaml"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lake.remove()) }()
	if s.brokers == "" {
		broker, err := startBroker(s.brokerFolder())
		if err != nil {
			return err
		}
		defer broker.Close()
		s.brokers = broker.ListenAddrs()[0]
		fmt.Printf("broker: kfake, a small one in this process, at %s; its log is in %s\n", s.brokers, s.brokerFolder())
	}
	shop, err := openShop(ctx, s.brokers)
	if err != nil {
		return err
	}
	defer shop.client.Close()
	if err := s.stream(ctx, shop, lake); err != nil {
		return err
	}
	behind, err := shop.behind(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	fmt.Printf("\nsent: %d orders, numbers %d to %d; %d wait in the topic for the next start\n", shop.total(), shop.next-shop.total(), shop.next-1, behind)
	for _, fault := range slices.Sorted(maps.Keys(shop.sent)) {
		if fault != fine {
			fmt.Printf("  %d %s\n", shop.sent[fault], fault)
		}
	}
	lake.printNext()
	fmt.Printf("Started again, it goes on from here. To begin afresh: rm -r %s\n", s.state())
	return nil
}

// state is the folder of everything that a start leaves for the next one.
func (s settings) state() string        { return filepath.Join(s.dir, "state") }
func (s settings) brokerFolder() string { return filepath.Join(s.state(), "broker") }

// check refuses tables that were filled from another broker: the positions in them mean nothing to this one.
func (s settings) check() error {
	if _, err := os.Stat(filepath.Join(s.dir, "pipeline.yaml")); err != nil {
		return fmt.Errorf("%w; run it at the root of the repository, or name the folder of pipeline.yaml with --dir", err)
	}
	_, noTables := os.Stat(filepath.Join(s.state(), "warehouse"))
	_, noLog := os.Stat(s.brokerFolder())
	if noTables == nil && (noLog == nil) != (s.brokers == "") {
		return fmt.Errorf("the tables in %s were filled from another broker; start it as before, or begin afresh: rm -r %[1]s", s.state())
	}
	return nil
}

// stream sends orders while lakeflow runs, until the time is over, somebody ends it, or lakeflow ends.
func (s settings) stream(ctx context.Context, shop *shop, lake *lakeflow) error {
	running, err := lake.start(ctx, s.brokers)
	if err != nil {
		return err
	}
	sending, cancel := running, func() {}
	if s.seconds > 0 {
		sending, cancel = context.WithTimeout(running, time.Duration(s.seconds)*time.Second)
	}
	defer cancel()
	err = shop.send(sending, s.rate)
	if err == nil && running.Err() == nil { // the time is over
		err = shop.awaitReaders(running)
	}
	return cmp.Or(lake.stop(), err)
}

func (s *shop) total() (n int64) {
	for _, sent := range s.sent {
		n += sent
	}
	return n
}
