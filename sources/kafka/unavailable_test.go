package kafka

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// away lets every request of a kind be answered by answer.
func (b *bed) away(kind kmsg.Key, answer func(kmsg.Request) (kmsg.Response, error)) {
	b.fake.ControlKey(int16(kind), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		resp, err := answer(req)
		return resp, err, true
	})
}

// listener is an address where connections are taken and handed to serve.
func listener(t *testing.T, serve func(net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var taken []net.Conn
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			taken = append(taken, c)
			serve(c)
		}
	}()
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		<-done
		for _, c := range taken {
			_ = c.Close() // some are closed
		}
	})
	return l.Addr().String()
}

func answering(t *testing.T, status int) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	t.Cleanup(s.Close)
	return s.URL
}

// TestUnavailable tells what is to be tried again from what stays.
func TestUnavailable(t *testing.T) {
	avro := func(url string) func(*testing.T, *bed, *Config) {
		return func(_ *testing.T, b *bed, c *Config) {
			b.put(&kgo.Record{Value: []byte{0, 0, 0, 0, 1, 2}})
			c.Value.Format, c.Registry.URL = "avro", url
		}
	}
	token := func(url string) func(*testing.T, *bed, *Config) {
		return func(_ *testing.T, b *bed, c *Config) {
			b.away(kmsg.SASLHandshake, func(req kmsg.Request) (kmsg.Response, error) { return req.ResponseKind(), nil })
			c.Security = broker.Security{Protocol: "SASL_PLAINTEXT", Mechanism: "OAUTHBEARER", TokenURL: url, Username: "u", Password: "p"}
		}
	}
	const nobody = "127.0.0.1:1"
	for _, c := range []struct {
		name    string
		arrange func(t *testing.T, b *bed, c *Config)
		passes  bool
	}{
		{"nobody listens", func(_ *testing.T, b *bed, c *Config) { c.Brokers = []string{nobody} }, true},
		{"no answer", func(t *testing.T, b *bed, c *Config) {
			c.Brokers, c.Timeout = []string{listener(t, func(net.Conn) {})}, 100*time.Millisecond
		}, true},
		{"closed at once", func(t *testing.T, b *bed, c *Config) {
			c.Brokers = []string{listener(t, func(c net.Conn) { _ = c.Close() })}
		}, true},
		{"connections break", func(_ *testing.T, b *bed, _ *Config) {
			b.away(kmsg.Metadata, func(kmsg.Request) (kmsg.Response, error) { return nil, errors.New("broken") })
		}, true},
		{"no leader", func(_ *testing.T, b *bed, _ *Config) {
			b.away(kmsg.ListOffsets, func(req kmsg.Request) (kmsg.Response, error) { return failed(req, kerr.LeaderNotAvailable.Code), nil })
		}, true},
		{"forbidden", func(_ *testing.T, b *bed, _ *Config) {
			b.away(kmsg.ListOffsets, func(req kmsg.Request) (kmsg.Response, error) {
				return failed(req, kerr.TopicAuthorizationFailed.Code), nil
			})
		}, false},
		{"no such topic", func(_ *testing.T, _ *bed, c *Config) { c.Topics = []string{"none"} }, false},
		{"wrong password", func(_ *testing.T, b *bed, c *Config) {
			b.away(kmsg.SASLHandshake, func(req kmsg.Request) (kmsg.Response, error) { return req.ResponseKind(), nil })
			b.away(kmsg.SASLAuthenticate, func(req kmsg.Request) (kmsg.Response, error) {
				resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
				resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
				return resp, nil
			})
			c.Security = broker.Security{Protocol: "SASL_PLAINTEXT", Mechanism: "PLAIN", Username: "u", Password: "wrong"}
		}, false},
		{"a certificate that nobody knows", func(t *testing.T, _ *bed, c *Config) {
			s := httptest.NewTLSServer(nil)
			t.Cleanup(s.Close)
			c.Brokers, c.Security.Protocol = []string{s.Listener.Addr().String()}, "SSL"
		}, false},
		{"registry: nobody listens", avro("http://" + nobody), true},
		{"registry: out of order", avro(answering(t, http.StatusServiceUnavailable)), true},
		{"registry: refused", avro(answering(t, http.StatusUnauthorized)), false},
		{"tokens: nobody listens", token("http://" + nobody), true},
		{"tokens: out of order", token(answering(t, http.StatusBadGateway)), true},
		{"tokens: refused", token(answering(t, http.StatusUnauthorized)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			s := b.source(func(cfg *Config) { c.arrange(t, b, cfg) })
			_, err := s.Next(t.Context(), b.session, nil, nil)
			var away *sources.UnavailableError
			if err == nil || errors.As(err, &away) != c.passes {
				t.Errorf("error %v; it should pass: %t", err, c.passes)
			}
		})
	}
}

// TestUnavailableAnywhere asks in every way.
func TestUnavailableAnywhere(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 5)
	s := b.source(func(c *Config) { c.Group = "watch" })
	at := b.next(s).Position
	b.fake.Close()
	for what, ask := range map[string]func() error{
		"Schema":      func() error { _, err := s.Schema(t.Context(), b.session, nil); return err },
		"Fingerprint": func() error { _, err := s.Fingerprint(t.Context()); return err },
		"Snapshot":    func() error { _, err := s.Snapshot(t.Context(), b.session, nil); return err },
		"Acknowledge": func() error { return s.Acknowledge(t.Context(), at) },
	} {
		s.forget() // else the batch is still there
		s.stopReader()
		var away *sources.UnavailableError
		if err := ask(); !errors.As(err, &away) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

// TestSilentBroker ends when the caller's time is over, though the broker takes connections and says nothing.
func TestSilentBroker(t *testing.T) {
	b := &bed{t: t, brokers: []string{listener(t, func(net.Conn) {})}, topic: "x", session: openDuck(t)}
	s := b.source(func(c *Config) { c.Timeout = 300 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Schema(ctx, b.session, nil)
	var away *sources.UnavailableError
	if took := time.Since(began); err == nil || errors.As(err, &away) || took > 15*time.Second { // it would be 20 s and more
		t.Errorf("error %v after %s", err, took)
	}
}

// TestComesBack goes on where the brokers went away, in the same continuous source.
func TestComesBack(t *testing.T) {
	b := newBed(t, 1)
	b.numbered(0, 5)
	s := b.source(func(c *Config) { c.Continuous = true })
	var off atomic.Bool
	b.fake.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		b.fake.KeepControl()
		return nil, errors.New("away"), off.Load()
	})
	f := follower{s}
	batch, err := f.Next(t.Context(), b.session, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.numbered(5, 8)
	off.Store(true)
	s.stopReader()
	var away *sources.UnavailableError
	if _, err := f.Next(t.Context(), b.session, batch.Position, nil); !errors.As(err, &away) {
		t.Fatalf("error %v", err)
	}
	off.Store(false)
	if batch, err = f.Next(t.Context(), b.session, batch.Position, nil); err != nil {
		t.Fatal(err)
	}
	b.check("rows", b.rows(batch, "id"), ids(5, 8))
}
