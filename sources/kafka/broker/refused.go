package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sr"
)

// advised adds what to write where brokers refuse the client, or the client them.
func advised(err error) error {
	if advice := remedy(err); advice != "" {
		return fmt.Errorf("%w; %s", err, advice)
	}
	return err
}

func remedy(err error) string {
	var web *url.Error // of a registry, or a server of tokens
	var host x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	var plain tls.RecordHeaderError
	var token *tokenError
	var tokens *statusError
	var registry *sr.ResponseError
	switch {
	case errors.As(err, &tokens):
		return "correct token_url, username, password and scope under security"
	case errors.As(err, &registry) && (registry.StatusCode == http.StatusUnauthorized || registry.StatusCode == http.StatusForbidden):
		return "correct username and password, or token, under schema_registry"
	case errors.As(err, &web):
		if distrusted(err) {
			return "it must show a certificate for its name, of an authority that the system knows, or that the file in the environment variable SSL_CERT_FILE holds"
		}
	case errors.As(err, &token):
		return "correct token, or token_url, username, password and scope, under security"
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "correct username, password and mechanism under security"
	case errors.Is(err, kerr.TopicAuthorizationFailed):
		return "the user needs the rights Describe and Read on the topics"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "write another mechanism under security, one that the brokers take at this address"
	case errors.Is(err, kerr.IllegalSaslState):
		return "the brokers take no passwords at this address: write protocol: PLAINTEXT, or SSL, under security, or the address where they do"
	case errors.As(err, &host):
		return "write the brokers' addresses with the names that their certificates have"
	case errors.As(err, &authority):
		return "write ca_file: under security, with the certificate of the authority that the brokers' certificates are from"
	case errors.As(err, &invalid):
		return "the brokers need other certificates, or ca_file: under security is out of date"
	case alerted(err):
		return "the brokers refuse the client: write cert_file and key_file under security, with a certificate that they trust"
	case errors.As(err, &plain):
		return "the brokers do not encrypt at this address: write protocol: PLAINTEXT, or SASL_PLAINTEXT, under security, or the address where they do"
	case strings.Contains(err.Error(), "tls alert record"): // the client library has no type for it
		return "the brokers encrypt at this address: write protocol: SSL, or SASL_SSL, under security"
	}
	return ""
}

// alerted says whether the other side has ended a TLS handshake and said why. An internal error is not about the
// client, and may pass.
func alerted(err error) bool {
	var alert *net.OpError
	return errors.As(err, &alert) && alert.Op == "remote error" && alert.Err.Error() != "tls: internal error"
}

// bearer is a mechanism that says how the brokers refuse a token.
type bearer struct{ sasl.Mechanism }

func (b bearer) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	session, first, err := b.Mechanism.Authenticate(ctx, host)
	if err != nil {
		return nil, nil, err
	}
	return bearerSession{session}, first, nil
}

type bearerSession struct{ sasl.Session }

func (s bearerSession) Challenge(answer []byte) (bool, []byte, error) {
	done, next, err := s.Session.Challenge(answer)
	if err != nil {
		err = &tokenError{string(answer)}
	}
	return done, next, err
}

// tokenError is the answer of a broker that does not take a token.
type tokenError struct{ answer string }

func (e *tokenError) Error() string {
	return fmt.Sprintf("the brokers refuse the token: %.200s", e.answer)
}
