package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// chaosNetwork is between the broker and everybody who talks to it: it passes connections on, until it is cut.
type chaosNetwork struct {
	t        *testing.T
	address  string // where it listens
	broker   string
	mu       sync.Mutex
	listener net.Listener // nil while it is cut
	ends     map[net.Conn]bool
	mute     bool
}

func startNetwork(t *testing.T, address, broker string) *chaosNetwork {
	n := &chaosNetwork{t: t, address: address, broker: broker, ends: map[net.Conn]bool{}}
	n.open()
	t.Cleanup(n.cut)
	return n
}

// open takes connections, and passes everything on.
func (n *chaosNetwork) open() {
	n.t.Helper()
	listener, err := net.Listen("tcp", n.address)
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listener, n.mute = listener, false
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go n.join(client)
		}
	}()
}

// silence loses all answers from now on, though requests still arrive.
func (n *chaosNetwork) silence() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mute = true
}

// cut resets all connections, and refuses new ones.
func (n *chaosNetwork) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listener != nil {
		_ = n.listener.Close()
		n.listener = nil
	}
	for end := range n.ends {
		_ = end.(*net.TCPConn).SetLinger(0)
		_ = end.Close()
	}
}

// join connects a client with the broker, until either hangs up.
func (n *chaosNetwork) join(client net.Conn) {
	defer client.Close()
	broker, err := net.Dial("tcp", n.broker)
	if err != nil {
		return // it is killed
	}
	defer broker.Close()
	n.mu.Lock()
	gone := n.listener == nil
	n.ends[client], n.ends[broker] = true, true
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.ends, client)
		delete(n.ends, broker)
	}()
	if gone {
		return
	}
	go func() {
		_, _ = io.Copy(broker, client)
		_ = broker.Close()
	}()
	buffer := make([]byte, 64<<10)
	for {
		read, err := broker.Read(buffer)
		n.mu.Lock()
		mute := n.mute
		n.mu.Unlock()
		if mute {
			read = 0
		}
		if _, werr := client.Write(buffer[:read]); err != nil || werr != nil {
			return
		}
	}
}

// guard is a process that outlives the test however it ends, by a signal, too. It then kills the last process of
// lakeflow, and takes the broker down.
type guard struct{ input io.WriteCloser }

func startGuard(b *chaosBroker) *guard {
	b.t.Helper()
	cmd := b.command("sh", "-c", `while read -r pid; do last=$pid; done; [ -z "$last" ] || kill -KILL "$last" 2>/dev/null; exec "$0" down`, kafkaScript)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	input, err := cmd.StdinPipe()                        // its end is that of this process
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		_ = input.Close()
		if err := cmd.Wait(); err != nil {
			b.t.Errorf("take the broker down: %v", err)
		}
	})
	parent := os.Getppid()
	go func() { // go test passes Ctrl-C on, but when it is killed it leaves its test behind
		for os.Getppid() == parent {
			time.Sleep(200 * time.Millisecond)
		}
		os.Exit(1)
	}()
	return &guard{input}
}

// watch tells of a process that was started.
func (g *guard) watch(cmd *exec.Cmd) error {
	_, err := fmt.Fprintln(g.input, cmd.Process.Pid)
	return err
}

// forget tells that the process has ended.
func (g *guard) forget() error {
	_, err := fmt.Fprintln(g.input)
	return err
}
