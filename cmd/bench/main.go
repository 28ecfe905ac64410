// Command bench measures lakeflow and prints it beside a floor: plain DuckDB doing the same work, or lakeflow itself
// doing less. Both sides are child processes, run in turn. Topics are in a fake broker, a process of its own, or in the
// Kafka that LAKEFLOW_KAFKA_BROKERS names. A missed target is a line of the report, not a failure; a wrong result or a
// crash is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// workloads are all that can be measured, in the order of the report.
var workloads = []struct {
	name string
	run  func(context.Context, *bench) error
}{
	{"orders", orders},
	{"orders-csv", ordersCSV},
	{"spark", ordersSpark},
	{"rules", rules},
	{"noop", noop},
	{"validate", validate},
	{"sql", pipelineSQL},
	{"memory", memory},
	{"many-files", manyFiles},
	{"backlog", backlog},
	{"exactly-once", exactlyOnce},
	{"freshness", freshness},
	{"growth", growth},
	{"views", views},
	{"cdc", changes},
	{"cdc-commits", changeCommits},
}

// bench is what every workload works with.
type bench struct {
	dir      string  // generated data and warehouses
	self     string  // this program, which runs plain DuckDB when asked to
	lakeflow string  // the program that is measured
	runs     int     // of each side
	seconds  int     // of freshness
	shrink   int     // what the sizes of views, cdc and cdc-commits are divided by
	kafka    *broker // nil before the first workload that needs it
	filled   string  // the topic of the backlog, once it is filled
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		err = nil
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	if len(args) > 0 && children[args[0]] != nil {
		return children[args[0]](ctx, args[1:], os.Stdin, os.Stdout)
	}
	b, only, err := newBench(args)
	if err != nil {
		return err
	}
	if b.lakeflow == "" {
		b.lakeflow = filepath.Join(b.dir, "lakeflow")
		build := exec.CommandContext(ctx, "go", "build", "-o", b.lakeflow, "./cmd/lakeflow")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return fmt.Errorf("build lakeflow, from the folder of its go.mod: %w", err)
		}
	}
	defer func() {
		if b.kafka != nil {
			err = errors.Join(err, b.kafka.close())
		}
	}()
	fmt.Printf("%s/%s, %d processors; medians of the runs, with the least in parentheses\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Printf(rowFormat, "workload", "lakeflow", "floor", "ratio", "target", "result", "what was compared")
	for _, w := range workloads {
		if len(only) > 0 && !slices.Contains(only, w.name) {
			continue
		}
		if err := w.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

func newBench(args []string) (_ *bench, only []string, err error) {
	b := &bench{}
	if b.self, err = os.Executable(); err != nil {
		return nil, nil, fmt.Errorf("find this program: %w", err)
	}
	var names []string
	for _, w := range workloads {
		names = append(names, w.name)
	}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&b.dir, "dir", "", "folder for generated data and tables, about 6 GB and 1,000,000 names (default: lakeflow-bench in the user's cache folder)")
	f.StringVar(&b.lakeflow, "lakeflow", "", "measure this binary instead of building one")
	f.IntVar(&b.runs, "runs", 3, "counted runs of each side; short workloads do four times as many")
	f.IntVar(&b.seconds, "seconds", 120, "how long freshness produces records; from 120 on it also tells whether memory stays flat")
	f.IntVar(&b.shrink, "shrink", 1, "divide the sizes of views, cdc and cdc-commits by this number, up to 100, to try them out: the targets are those of the full sizes")
	list := f.String("only", "", "comma-separated workloads: "+strings.Join(names, ", ")+" (default: all)")
	if err := f.Parse(args); err != nil {
		return nil, nil, err
	}
	if *list != "" {
		only = strings.Split(*list, ",")
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, nil, fmt.Errorf("there is no workload %q; choose of %s", name, strings.Join(names, ", "))
		}
	}
	if f.NArg() > 0 || b.runs < 1 || b.seconds < 10 || b.shrink < 1 || b.shrink > 100 {
		return nil, nil, errors.New("bench takes flags only, --runs of at least 1, --seconds of at least 10 and --shrink of 1 to 100; see --help")
	}
	if b.dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, nil, fmt.Errorf("find the cache folder; name one with --dir: %w", err)
		}
		b.dir = filepath.Join(cache, "lakeflow-bench")
	}
	if b.dir, err = filepath.Abs(b.dir); err != nil {
		return nil, nil, err
	}
	return b, only, os.MkdirAll(b.dir, 0o755)
}
