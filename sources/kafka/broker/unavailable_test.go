package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
)

// Who closes a connection at once, or takes it and says nothing, may speak another protocol: the error says so. Where
// nobody listens there is no such doubt.
func TestHintAtTheProtocol(t *testing.T) {
	hint := "the protocol, mechanism, password or certificate under security may be wrong"
	tests := map[string]struct {
		answer func(net.Conn) // nil: nobody listens
		tls    bool
		silent bool
		hint   bool
	}{
		"plain text to what closes": {answer: func(c net.Conn) { _ = c.Close() }, hint: true},
		"plain text to what resets": {answer: func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() }, hint: true},
		"encrypted to what closes":  {answer: func(c net.Conn) { _ = c.Close() }, tls: true, hint: true},
		"encrypted to silence":      {answer: func(net.Conn) {}, tls: true, silent: true, hint: true},
		"nobody listens":            {},
	}
	if err := Worldly(t.Context(), fmt.Errorf("ask: %w", os.ErrDeadlineExceeded)); !strings.Contains(err.Error(), hint) {
		t.Errorf("after a connection was silent: %v", err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			address, timeout := l.Addr().String(), time.Minute
			if test.answer == nil {
				address = "127.0.0.1:1"
			}
			if test.silent {
				timeout = 300 * time.Millisecond
			}
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					test.answer(c)
				}
			}()
			opts := []kgo.Opt{kgo.SeedBrokers(address), kgo.DialTimeout(timeout), kgo.RetryTimeout(time.Second), kgo.RequestRetries(0)}
			if test.tls {
				opts = append(opts, kgo.DialTLSConfig(&tls.Config{}))
			}
			client, err := kgo.NewClient(opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			err = Worldly(ctx, client.Ping(ctx))
			var away *sources.UnavailableError
			if !errors.As(err, &away) || strings.Contains(err.Error(), hint) != test.hint {
				t.Errorf("%T %v, want the hint: %v", err, err, test.hint)
			}
		})
	}
}
