package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// lakeflow is the program as a process beside this one.
type lakeflow struct {
	path    string // of the program
	command string // how it is called from a shell
	built   string // the folder that it was built in, or empty
	file    string // the pipeline's
	process *exec.Cmd
	end     func()     // tells it to end
	ended   chan error // how it ended
}

// findLakeflow looks for lakeflow in the PATH, and else builds it from this clone.
func findLakeflow(ctx context.Context, file string) (*lakeflow, error) {
	if path, err := exec.LookPath("lakeflow"); err == nil {
		fmt.Println("lakeflow:", path)
		return &lakeflow{path: path, command: "lakeflow", file: file}, nil
	}
	folder, err := os.MkdirTemp("", "orders_stream-")
	if err != nil {
		return nil, err
	}
	l := &lakeflow{path: filepath.Join(folder, "lakeflow"), command: "go run ./cmd/lakeflow", built: folder, file: file}
	fmt.Println("lakeflow: is not in the PATH, and is built into a temporary folder (go install ./cmd/lakeflow puts it where it is found)")
	build := exec.CommandContext(ctx, "go", "build", "-o", l.path, "github.com/lakeflow/lakeflow/cmd/lakeflow")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		return nil, errors.Join(fmt.Errorf("build lakeflow: %w", err), l.remove())
	}
	return l, nil
}

func (l *lakeflow) remove() error {
	if l.built == "" {
		return nil
	}
	return os.RemoveAll(l.built)
}

// start starts the continuous update, which ctx ends. The context that it gives is done when either is.
func (l *lakeflow) start(ctx context.Context, brokers string) (context.Context, error) {
	listen := freeAddress("127.0.0.1:9464")
	args := []string{"run", l.file, "--param", "brokers=" + brokers, "--listen", listen}
	fmt.Printf("metrics: http://%s/metrics\n", listen)
	fmt.Printf("from another terminal: %s\n", l.query())
	fmt.Printf("Ctrl-C ends it.\n\n$ lakeflow %s\n", strings.Join(args, " "))
	l.process = exec.Command(l.path, args...)
	l.process.Stdout, l.process.Stderr = os.Stdout, os.Stderr
	if err := l.process.Start(); err != nil {
		return nil, fmt.Errorf("start lakeflow: %w", err)
	}
	// A Ctrl-C reaches lakeflow by itself, too; signals that come close together count as one.
	l.end = sync.OnceFunc(func() { _ = l.process.Process.Signal(syscall.SIGTERM) }) // it may have ended just now
	context.AfterFunc(ctx, l.end)
	running, cancel := context.WithCancel(ctx)
	l.ended = make(chan error, 1)
	go func() {
		l.ended <- l.process.Wait()
		cancel()
	}()
	return running, nil
}

// stop lets lakeflow finish its batch, and waits for its end.
func (l *lakeflow) stop() error {
	l.end()
	if err := <-l.ended; err != nil {
		return fmt.Errorf("lakeflow run: %w", err)
	}
	return nil
}

func (l *lakeflow) query() string {
	return fmt.Sprintf(`%s query -f %s "SELECT * FROM gold_orders_per_minute ORDER BY minute DESC, country LIMIT 10"`, l.command, l.file)
}

// printNext says what can be done with the tables.
func (l *lakeflow) printNext() {
	fmt.Printf("\nNext:\n  %s\n", l.query())
	for _, c := range []string{"report %s", "dead-letters list -f %s --limit 5", "audit %s"} {
		fmt.Printf("  %s %s\n", l.command, fmt.Sprintf(c, l.file))
	}
}
