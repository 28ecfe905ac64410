package broker

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestTokens gets a token for a client and keeps it until it expires.
func TestTokens(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.FormValue("client_secret") != "s" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": r.FormValue("grant_type") + "/" + r.FormValue("client_id") + "/" + r.FormValue("scope"), "expires_in": 3600})
	}))
	defer server.Close()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	source := &tokens{security: Security{TokenURL: server.URL, Username: "c", Password: "s", Scope: "x"}}
	for range 2 {
		if got, err := source.get(t.Context()); err != nil || got.Token != "client_credentials/c/x" {
			t.Errorf("token %q, %v", got.Token, err)
		}
	}
	if source.until = time.Now(); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	source.security.Password = "wrong"
	if _, err := source.get(t.Context()); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("error %v", err)
	}
	fixed := &tokens{security: Security{Token: "given"}}
	if got, err := fixed.get(t.Context()); err != nil || got.Token != "given" {
		t.Errorf("token %q, %v", got.Token, err)
	}
}
