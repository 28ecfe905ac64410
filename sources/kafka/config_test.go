package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/confluent"
	"github.com/lakeflow/lakeflow/sources/kafka/broker"
	"github.com/lakeflow/lakeflow/sources/records"
)

// TestConfigErrors names the option and what to write instead.
func TestConfigErrors(t *testing.T) {
	for _, c := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Brokers = nil }, "brokers: [localhost:9092]"},
		{func(c *Config) { c.Topics = nil }, "one of topic, topics and topic_pattern"},
		{func(c *Config) { c.Pattern = "x" }, "one of topic, topics and topic_pattern"},
		{func(c *Config) { c.Topics, c.Pattern = nil, "(" }, "topic_pattern ( is not a regular expression"},
		{func(c *Config) { c.Start.At = "now" }, "write earliest, latest, a timestamp or offsets"},
		{func(c *Config) { c.Start.At = "timestamp" }, "start: {timestamp: 2024-05-01T00:00:00Z}"},
		{func(c *Config) { c.Start = Start{At: "offsets", Offsets: map[string]map[int32]int64{"t": {0: -1}}} }, "write numbers from 0"},
		{func(c *Config) { c.Value.Format = "xml" }, "value: format \"xml\" is unknown; write json, avro, protobuf, string, bytes or debezium"},
		{func(c *Config) { c.Key.Format = "debezium" }, "key: format debezium is for values; write json"},
		{func(c *Config) { c.Key.Format = "avro" }, "key: format avro needs a schema; write schema_registry"},
		{func(c *Config) { c.Value.Schema = "x" }, "format json has no schema"},
		{func(c *Config) { c.Value = records.Format{Format: "avro", Schema: "x"} }, "value: schema:"},
		{func(c *Config) { c.Value = records.Format{Format: "avro", Schema: `"string"`} }, "it is string and not a record"},
		{func(c *Config) { c.Value = records.Format{Format: "protobuf", Schema: "message A {"} }, "value: schema:"},
		{func(c *Config) {
			c.Value = records.Format{Format: "protobuf", Schema: `syntax="proto3"; message A {int32 a=1;} message B {int32 a=1;}`}
		}, "write message: with the full name of one"},
		{func(c *Config) { c.Registry.URL = "localhost:8081" }, "schema_registry: url localhost:8081 is not an address"},
		{func(c *Config) { c.Registry = confluent.Registry{URL: "http://x", Token: "t", Username: "u"} }, "not both"},
		{func(c *Config) { c.Isolation = "dirty" }, "write read_committed or read_uncommitted"},
		{func(c *Config) { c.Evolution = "x" }, "schema_evolution"},
		{func(c *Config) { c.Hints = []sources.Hint{{Name: "a", Type: "INTERVAL"}} }, "column a"},
		{func(c *Config) { c.Hints = []sources.Hint{{Name: "_metadata", Type: "BIGINT"}} }, "is taken"},
		{func(c *Config) { c.Value.Format, c.Hints = "string", []sources.Hint{{Name: "a", Type: "BIGINT"}} }, "leave the schema out"},
		{func(c *Config) { c.Security.Protocol = "TLS" }, "write PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"},
		{func(c *Config) { c.Security.Mechanism = "PLAIN" }, "write protocol: SASL_SSL"},
		{func(c *Config) { c.Security.Protocol = "SASL_SSL" }, "write PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"},
		{func(c *Config) { c.Security = broker.Security{Protocol: "SASL_SSL", Mechanism: "PLAIN"} }, "needs username and password"},
		{func(c *Config) { c.Security = broker.Security{Protocol: "SASL_SSL", Mechanism: "OAUTHBEARER"} }, "token_url"},
		{func(c *Config) { c.Security = broker.Security{Protocol: "SSL", CertFile: "x"} }, "cert_file and key_file go together"},
		{func(c *Config) { c.Security = broker.Security{Protocol: "SSL", CAFile: "/none"} }, "read ca_file"},
		{func(c *Config) { c.Security.CAFile = "x" }, "certificates are not used with protocol PLAINTEXT"},
		{func(c *Config) { c.Security.Username = "u" }, "username is not used with protocol PLAINTEXT"},
		{func(c *Config) { c.Security.Protocol, c.Security.Password = "SSL", "p" }, "password is not used with protocol SSL"},
	} {
		cfg := Config{Brokers: []string{"localhost:9092"}, Topics: []string{"t"}}
		c.change(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v; want one with %q", err, c.want)
		}
	}
}

// certificates makes an authority with one certificate for servers and clients on this machine, as PEM files.
func certificates(t *testing.T) (caFile, certFile, keyFile string, server *tls.Config) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	make := func(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		if signer == nil {
			signer = key
		}
		der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
		must(err)
		return der, key
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	caDER, caKey := make(ca, ca, nil)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, key := make(leaf, ca, caKey)
	keyDER, err := x509.MarshalECPrivateKey(key)
	must(err)
	dir := t.TempDir()
	write := func(name, kind string, b []byte) string {
		path := filepath.Join(dir, name)
		must(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600))
		return path
	}
	caFile, certFile, keyFile = write("ca.pem", "CERTIFICATE", caDER), write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", keyDER)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	must(err)
	pool := x509.NewCertPool()
	parsed, err := x509.ParseCertificate(caDER)
	must(err)
	pool.AddCert(parsed)
	return caFile, certFile, keyFile, &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
}

// TestSecurity reads through TLS with certificates on both sides and by every mechanism with a password.
func TestSecurity(t *testing.T) {
	ca, cert, key, server := certificates(t)
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		t.Run(mechanism, func(t *testing.T) {
			fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(server), kfake.EnableSASL(), kfake.Superuser(mechanism, "u", "secret"), kfake.Superuser("PLAIN", "admin", "a"), kfake.SeedTopics(1, "t"))
			if err != nil {
				t.Fatal(err)
			}
			defer fake.Close()
			security := broker.Security{Protocol: "SASL_SSL", Mechanism: mechanism, Username: "u", Password: "secret", CAFile: ca, CertFile: cert, KeyFile: key}
			admin := security
			admin.Mechanism, admin.Username, admin.Password = "PLAIN", "admin", "a"
			opts, err := admin.Options()
			if err != nil {
				t.Fatal(err)
			}
			cl, err := broker.Client(fake.ListenAddrs(), time.Minute, opts...)
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			if err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte(`{"id":1}`)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			b := openBed(t, fake.ListenAddrs())
			read := func(change func(*broker.Security)) (string, error) {
				s := b.source(func(c *Config) { c.Topics, c.Security = []string{"t"}, security; change(&c.Security) })
				batch, err := s.Next(t.Context(), b.session, nil, nil)
				if err != nil {
					return "", err
				}
				return b.rows(batch, "id"), nil
			}
			if got, err := read(func(*broker.Security) {}); err != nil || got != "1" {
				t.Errorf("read %q, %v", got, err)
			}
			if _, err := read(func(s *broker.Security) { s.Password = "guessed" }); err == nil || strings.Contains(err.Error(), "guessed") {
				t.Errorf("a wrong password gave %v", err)
			}
			if _, err := read(func(s *broker.Security) { s.CertFile, s.KeyFile = "", "" }); err == nil {
				t.Error("no error without a client certificate")
			}
		})
	}
}
