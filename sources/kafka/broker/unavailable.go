package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lakeflow/lakeflow/sources"
)

// Worldly wraps an error in *sources.UnavailableError where it may go away by itself: the brokers, the registry or the
// server of tokens can't be reached, or say so. Where brokers refuse the client, or the client them, it adds what to
// write. What a caller ended is not the world's.
func Worldly(ctx context.Context, err error) error {
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case !passing(err):
		return advised(err)
	}
	return &sources.UnavailableError{Err: hinted(err)}
}

// hinted adds what may be wrong besides: a broker closes a connection at once, or says nothing, when it speaks another
// protocol. What stands before brokers that are away does the same, so that it is waited for.
func hinted(err error) error {
	var web *url.Error // of a registry, or a server of tokens
	ends := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
	if errors.As(err, &web) || !ends {
		return err
	}
	return fmt.Errorf("%w; if the brokers are up, the protocol, mechanism, password or certificate under security may be wrong", err)
}

// passing says whether an error may go away by itself.
func passing(err error) bool {
	var refused *kadm.AuthError
	if errors.As(err, &refused) || distrusted(err) {
		return false
	}
	var answer *kerr.Error
	if errors.As(err, &answer) {
		return answer.Retriable
	}
	var registry *sr.ResponseError
	if errors.As(err, &registry) {
		return passingStatus(registry.StatusCode)
	}
	var tokens *statusError
	if errors.As(err, &tokens) {
		return passingStatus(tokens.code)
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, context.DeadlineExceeded) || kgo.IsRetryableBrokerErr(err)
}

// distrusted says whether an encrypted connection was refused, by either side.
func distrusted(err error) bool {
	var certificate *tls.CertificateVerificationError
	var plain tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	return alerted(err) || errors.As(err, &certificate) || errors.As(err, &plain) || errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid)
}

// statusError is the answer of the server of tokens.
type statusError struct {
	code   int
	status string
}

func (e *statusError) Error() string { return "it answered " + e.status }

// passingStatus says whether a server may give another answer soon.
func passingStatus(code int) bool {
	return code >= http.StatusInternalServerError || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
}
