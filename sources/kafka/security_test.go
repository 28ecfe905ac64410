package kafka

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
)

// securedBed is a topic of a real Kafka that was started by scripts/kafka, which also listens where clients must say
// who they are.
type securedBed struct {
	*bed
	said map[string]string // by scripts/kafka security
}

func newSecuredBed(t *testing.T) *securedBed {
	t.Helper()
	b := newRealBed(t, 1)
	_, port, err := net.SplitHostPort(b.brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join("..", "..", "scripts", "kafka"), "security")
	cmd.Env = append(os.Environ(), "KAFKA_PORT="+port)
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("scripts/kafka did not start the brokers at %s, so that nothing is known of how they are secured: run scripts/kafka up, and set %s to the address that it prints", b.brokers[0], brokersVariable)
	}
	s := &securedBed{bed: b}
	if err := json.Unmarshal(out, &s.said); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return s
}

// security adds what scripts/kafka says to a protocol and a mechanism.
func (b *securedBed) security(protocol, mechanism string) broker.Security {
	s := broker.Security{Protocol: protocol, Mechanism: mechanism}
	if strings.HasSuffix(protocol, "SSL") {
		s.CAFile = b.said["ca_file"]
	}
	switch {
	case protocol == "SSL":
		s.CertFile, s.KeyFile = b.said["cert_file"], b.said["key_file"]
	case mechanism == "OAUTHBEARER":
		s.Token = jwt(time.Hour)
	default:
		s.Username, s.Password = b.said["username"], b.said["password"]
	}
	return s
}

// jwt is a token without a signature that holds for a time.
func jwt(lasts time.Duration) string {
	text := base64.RawURLEncoding.EncodeToString
	begin := time.Now().Add(-24 * time.Hour)
	return text([]byte(`{"alg":"none"}`)) + "." + text(fmt.Appendf(nil, `{"sub":"lakeflow","iat":%d,"exp":%d}`, begin.Unix(), time.Now().Add(lasts).Unix())) + "."
}

func (b *securedBed) secured(s broker.Security) *Source {
	return b.source(func(c *Config) { c.Brokers, c.Security = []string{b.said[s.Protocol]}, s })
}

// TestRealSecurity reads what was published in a transaction, as sinks do it, both in every way in which clients say
// who they are.
func TestRealSecurity(t *testing.T) {
	b := newSecuredBed(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("client_id") != "lakeflow" || r.FormValue("client_secret") != "s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": jwt(time.Hour), "expires_in": 3600})
	}))
	defer server.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	fetched := broker.Security{Protocol: "SASL_SSL", Mechanism: "OAUTHBEARER", CAFile: b.said["ca_file"], TokenURL: server.URL, Username: "lakeflow", Password: "s"}
	for i, security := range []broker.Security{b.security("SASL_PLAINTEXT", "SCRAM-SHA-512"), b.security("SASL_SSL", "SCRAM-SHA-256"), b.security("SASL_SSL", "PLAIN"), b.security("SSL", ""),
		b.security("SASL_PLAINTEXT", "OAUTHBEARER"), fetched} {
		t.Run(fmt.Sprintf("%s %s %s", security.Protocol, security.Mechanism, map[bool]string{true: "fetched"}[security.TokenURL != ""]), func(t *testing.T) {
			b.t = t
			b.publish(security, fmt.Sprintf(`{"id":%d}`, 2*i), fmt.Sprintf(`{"id":%d}`, 2*i+1))
			rows, _ := b.drain(b.secured(security), "id")
			b.check("rows", strings.Join(rows, "\n"), ids(2*i, 2*i+2))
		})
	}
}

// publish produces values to partition 0, in a transaction.
func (b *securedBed) publish(security broker.Security, values ...string) {
	b.t.Helper()
	opts, err := security.Options()
	if err != nil {
		b.t.Fatal(err)
	}
	cl, err := broker.Client([]string{b.said[security.Protocol]}, time.Minute, append(opts, kgo.TransactionalID(b.topic), kgo.DefaultProduceTopic(b.topic))...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	if err := cl.BeginTransaction(); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range values {
		if err := cl.ProduceSync(b.t.Context(), &kgo.Record{Value: []byte(v)}).FirstErr(); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := cl.EndTransaction(b.t.Context(), kgo.TryCommit); err != nil {
		b.t.Fatal(err)
	}
	b.settle()
}

// TestRealSecurityRefused says what to write when brokers refuse the client, or the client them, and stops, or waits
// where brokers that are away look the same.
func TestRealSecurityRefused(t *testing.T) {
	b := newSecuredBed(t)
	b.numbered(0, 1)
	ca, cert, key, _ := certificates(t) // of an authority that the brokers don't know
	scram, plain, mutual, token := b.security("SASL_PLAINTEXT", "SCRAM-SHA-512"), b.security("SASL_SSL", "PLAIN"), b.security("SSL", ""), b.security("SASL_SSL", "OAUTHBEARER")
	sasl := broker.Security{Protocol: "SASL_PLAINTEXT", Mechanism: "PLAIN", Username: "u", Password: "guessed"}
	for name, c := range map[string]struct {
		security broker.Security
		change   func(*broker.Security)
		at       string // the address, if it is not that of the protocol
		want     string
	}{
		"SCRAM, wrong password":        {scram, func(s *broker.Security) { s.Password = "guessed" }, "", "correct username, password and mechanism"},
		"PLAIN, wrong password":        {plain, func(s *broker.Security) { s.Password = "guessed" }, "", "correct username, password and mechanism"},
		"expired token":                {token, func(s *broker.Security) { s.Token = jwt(-time.Hour) }, "", `{"status":"invalid_token"}; correct token`},
		"authority of the system":      {plain, func(s *broker.Security) { s.CAFile = "" }, "", "write ca_file"},
		"another authority":            {plain, func(s *broker.Security) { s.CAFile = ca }, "", "write ca_file"},
		"no password taken":            {sasl, nil, b.brokers[0], "write protocol: PLAINTEXT"},
		"not encrypted":                {sasl, nil, b.said["SASL_SSL"], "write protocol: SSL, or SASL_SSL"},
		"nothing said of who it is":    {broker.Security{}, nil, b.said["SASL_PLAINTEXT"], "password or certificate under security may be wrong"},
		"encrypted, to a plain broker": {mutual, nil, b.brokers[0], "the protocol, mechanism"},
		"encrypted where nothing is":   {plain, nil, b.said["SASL_PLAINTEXT"], "the protocol, mechanism"},
		"no certificate of the client": {mutual, func(s *broker.Security) { s.CertFile, s.KeyFile = "", "" }, "", "certificate"}, // the answer may be lost, as the broker closes the connection
		"a stranger's certificate":     {mutual, func(s *broker.Security) { s.CertFile, s.KeyFile = cert, key }, "", "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.change != nil {
				c.change(&c.security)
			}
			if c.at == "" {
				c.at = b.said[c.security.Protocol]
			}
			s := b.source(func(cfg *Config) { cfg.Brokers, cfg.Security = []string{c.at}, c.security })
			_, err := s.Next(t.Context(), b.session, nil, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "guessed") {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			var away *sources.UnavailableError
			if waits := strings.Contains(err.Error(), "may be wrong"); errors.As(err, &away) != waits {
				t.Errorf("%v: it is waited for: %t", err, !waits)
			}
		})
	}
}
