package broker

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/lakeflow/lakeflow/sources"
)

// TestRefused tells what to write when one side refuses the other, and does not let it be waited for.
func TestRefused(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	_, web := http.Get(server.URL)
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"password":         {fmt.Errorf("%w: no", kerr.SaslAuthenticationFailed), "correct username"},
		"mechanism":        {kerr.UnsupportedSaslMechanism, "write another mechanism"},
		"no passwords":     {kerr.IllegalSaslState, "write protocol: PLAINTEXT"},
		"rights":           {kerr.TopicAuthorizationFailed, "Describe and Read"},
		"client's secret":  {&statusError{http.StatusUnauthorized, "401"}, "correct token_url"},
		"registry":         {&sr.ResponseError{StatusCode: http.StatusForbidden}, "under schema_registry"},
		"token":            {&tokenError{"no"}, "correct token"},
		"a registry's":     {web, "SSL_CERT_FILE"},
		"authority":        {handshake(t, false, tls.NoClientCert, &tls.Config{ServerName: "broker"}), "write ca_file"},
		"name":             {handshake(t, true, tls.NoClientCert, &tls.Config{ServerName: "other"}), "with the names that their certificates have"},
		"out of date":      {handshake(t, true, tls.NoClientCert, &tls.Config{ServerName: "broker", Time: func() time.Time { return time.Now().Add(48 * time.Hour) }}), "need other certificates"},
		"none of a client": {handshake(t, true, tls.RequireAnyClientCert, &tls.Config{ServerName: "broker"}), "write cert_file and key_file"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Worldly(t.Context(), fmt.Errorf("ask: %w", c.err))
			var away *sources.UnavailableError
			if !strings.Contains(fmt.Sprint(err), c.want) || !errors.Is(err, c.err) || errors.As(err, &away) {
				t.Errorf("%T %v, want %q", err, err, c.want)
			}
		})
	}
}

// handshake returns the error of a client that talks to a broker with a certificate for the name broker, which it
// trusts or not.
func handshake(t *testing.T, trusts bool, asks tls.ClientAuthType, client *tls.Config) error {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"broker"}, NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	if trusts {
		own, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		client.RootCAs = x509.NewCertPool()
		client.RootCAs.AddCert(own)
	}
	here, there := net.Pipe() // loses nothing that was said before it is closed, as TCP may
	defer here.Close()
	go func() {
		defer there.Close()
		_ = tls.Server(there, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, ClientAuth: asks}).Handshake() // the client tells
	}()
	_, err = io.ReadAll(tls.Client(here, client))
	return err
}
