package broker

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/lakeflow/lakeflow/dsl/option"
)

// Security is how brokers are reached. The files are PEM.
type Security struct {
	option.Node `yaml:"-"`
	Protocol    string `yaml:"protocol" jsonschema:"enum=PLAINTEXT,enum=SSL,enum=SASL_PLAINTEXT,enum=SASL_SSL,default=PLAINTEXT" jsonschema_description:"Whether connections are encrypted (SSL) and clients say who they are (SASL)."`
	Mechanism   string `yaml:"mechanism" jsonschema:"enum=PLAIN,enum=SCRAM-SHA-256,enum=SCRAM-SHA-512,enum=OAUTHBEARER" jsonschema_description:"How the client says who it is, with SASL."`
	Username    string `yaml:"username" option:"text" jsonschema_description:"Name; with token_url, the client's id."`
	Password    string `yaml:"password" option:"text" jsonschema_description:"Password, as ${env:NAME} or ${file:path}; with token_url, the client's secret."`
	CAFile      string `yaml:"ca_file" option:"path" jsonschema_description:"PEM file of the certificates that are trusted, relative to the pipeline file. Default: the system's."`
	CertFile    string `yaml:"cert_file" option:"path" jsonschema_description:"PEM file of the client's certificate."`
	KeyFile     string `yaml:"key_file" option:"path" jsonschema_description:"PEM file of the client's key."`
	Token       string `yaml:"token" option:"text" jsonschema_description:"OAUTHBEARER: the token, as ${env:NAME} or ${file:path}."`
	TokenURL    string `yaml:"token_url" option:"text" jsonschema_description:"OAUTHBEARER: where a client gets its tokens."`
	Scope       string `yaml:"scope" option:"text" jsonschema_description:"OAUTHBEARER with token_url: the scope to ask for."`
}

// Options checks the configuration, and returns what a client needs to reach the brokers. An error begins with
// "security:" and ends with what to write.
func (s Security) Options() ([]kgo.Opt, error) {
	s.Protocol = cmp.Or(s.Protocol, "PLAINTEXT")
	t, err := s.tls()
	if err != nil {
		return nil, err
	}
	var opts []kgo.Opt
	if t != nil {
		opts = append(opts, kgo.DialTLSConfig(t))
	}
	if !strings.HasPrefix(s.Protocol, "SASL_") {
		return opts, s.unused()
	}
	m, err := s.mechanism()
	if err != nil {
		return nil, err
	}
	return append(opts, kgo.SASL(m)), nil
}

// unused refuses what would say who the client is where nobody asks.
func (s Security) unused() error {
	for _, x := range [][2]string{{"mechanism", s.Mechanism}, {"username", s.Username}, {"password", s.Password}, {"token", s.Token}, {"token_url", s.TokenURL}, {"scope", s.Scope}} {
		if x[1] != "" {
			return fmt.Errorf("security: %s is not used with protocol %s; write protocol: SASL_SSL or SASL_PLAINTEXT, and mechanism", x[0], s.Protocol)
		}
	}
	return nil
}

// tls returns nil when connections are not encrypted.
func (s Security) tls() (*tls.Config, error) {
	switch s.Protocol {
	case "PLAINTEXT", "SASL_PLAINTEXT":
		if s.CAFile+s.CertFile+s.KeyFile != "" {
			return nil, fmt.Errorf("security: certificates are not used with protocol %s; write protocol: SSL or SASL_SSL", s.Protocol)
		}
		return nil, nil
	case "SSL", "SASL_SSL":
	default:
		return nil, fmt.Errorf("security: protocol %q is unknown; write PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL", s.Protocol)
	}
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		pem, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("security: read ca_file: %w", err)
		}
		out.RootCAs = x509.NewCertPool()
		if !out.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("security: ca_file %s has no certificate; it must be PEM: -----BEGIN CERTIFICATE-----", s.CAFile)
		}
	}
	if (s.CertFile == "") != (s.KeyFile == "") {
		return nil, errors.New("security: cert_file and key_file go together; write both or none")
	}
	if s.CertFile != "" {
		cert, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("security: read cert_file and key_file: %w", err)
		}
		out.Certificates = []tls.Certificate{cert}
	}
	return out, nil
}

func (s Security) mechanism() (sasl.Mechanism, error) {
	named := func() error {
		if s.Username == "" {
			return fmt.Errorf("security: mechanism %s needs username and password; write both", s.Mechanism)
		}
		return nil
	}
	switch s.Mechanism {
	case "PLAIN":
		return plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism(), named()
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism(), named()
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism(), named()
	case "OAUTHBEARER":
		if (s.Token == "") == (s.TokenURL == "") {
			return nil, errors.New("security: mechanism OAUTHBEARER needs a token; write token: …, or token_url: with username and password for the client's id and secret")
		}
		return bearer{oauth.Oauth((&tokens{security: s}).get)}, nil
	}
	return nil, fmt.Errorf("security: mechanism %q is unknown; write PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", s.Mechanism)
}

// tokens gets tokens for a client and keeps each until a minute before it expires. It is asked for every new
// connection.
type tokens struct {
	security Security
	mu       sync.Mutex
	token    string
	until    time.Time
}

func (t *tokens) get(ctx context.Context) (oauth.Auth, error) {
	if t.security.Token != "" {
		return oauth.Auth{Token: t.security.Token}, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == "" || time.Now().After(t.until) {
		if err := t.fetch(ctx); err != nil {
			return oauth.Auth{}, fmt.Errorf("get a token from %s: %w", t.security.TokenURL, err)
		}
	}
	return oauth.Auth{Token: t.token}, nil
}

// fetch asks by OAuth's client credentials grant.
func (t *tokens) fetch(ctx context.Context) error {
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {t.security.Username}, "client_secret": {t.security.Password}}
	if t.security.Scope != "" {
		form.Set("scope", t.security.Scope)
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.security.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	var got struct {
		Token   string  `json:"access_token"`
		Seconds float64 `json:"expires_in"`
	}
	if resp.StatusCode != http.StatusOK {
		return &statusError{resp.StatusCode, resp.Status}
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Token == "" {
		return errors.New("its answer has no access_token")
	}
	t.token, t.until = got.Token, time.Now().Add(time.Duration(got.Seconds*float64(time.Second))-time.Minute)
	return nil
}
