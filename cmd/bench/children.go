package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
)

// children are what this program does when it is started by itself: the first argument is the name.
var children = map[string]func(ctx context.Context, args []string, in io.Reader, out io.Writer) error{
	floorCommand: func(ctx context.Context, _ []string, in io.Reader, out io.Writer) error {
		return runFloor(ctx, in, out)
	},
	timedCommand:     runTimed,
	translateCommand: runTranslate,
	"broker":         runBroker,
	"fill":           runFill,
	"consume":        runConsume,
	"produce":        runProduce,
	"watch":          runWatch,
}

// process is a child that runs beside others.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
	stderr tail
}

// tail keeps the end of what is written to it.
type tail []byte

func (t *tail) Write(p []byte) (int, error) {
	*t = append(*t, p...)
	*t = slices.Clone((*t)[max(0, len(*t)-2000):])
	return len(p), nil
}

// start starts a program. Its end is the caller's business: stop or wait.
func start(ctx context.Context, program string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, program, args...)}
	p.cmd.Stderr = &p.stderr
	in, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdin, p.stdout = in, bufio.NewReader(out)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	return p, nil
}

// line waits for the next line of the output.
func (p *process) line() (string, error) {
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s ended: %w", p.name(), p.wait())
	}
	return strings.TrimSuffix(line, "\n"), nil
}

// wait waits for the end of the process, which is an error when its exit code says so.
func (p *process) wait() error {
	_, _ = io.Copy(io.Discard, p.stdout) // until it is closed
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.name(), err, p.stderr)
	}
	return nil
}

// stop ends the process in order. Our own children end with their input, others by a signal.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = p.stdin.Close()
	return p.wait()
}

func (p *process) name() string { return strings.Join(p.cmd.Args[:min(3, len(p.cmd.Args))], " ") }
