package dsl

import "testing"

func TestHide(t *testing.T) {
	for _, c := range []struct{ value, message, want string }{
		{"hunter22", "user hunter22 refused", "user *** refused"},
		{"hunter22", "dial xhunter22y:9092", "dial x***y:9092"},
		{"it's", `CAST('it''s' AS INTEGER), it's, "it's"`, `CAST('***' AS INTEGER), ***, "***"`},
		{"a\"b\\c\nd", `read "a\"b\\c\nd"`, `read "***"`},
		{"töken€1", `"t\u00f6ken\u20ac1" "töken€1"`, `"***" "***"`},
		{"p@ss w/rd&1", "https://u:p%40ss%20w%2Frd&1@h and ?q=p%40ss+w%2Frd%261 and p%40ss+w%2frd%261", "https://u:***@h and ?q=*** and ***"},
		{"p%40ssword", "password p@ssword or p%40ssword", "password *** or ***"},
		{"<tag>&", `{"x":"\u003ctag\u003e\u0026"}`, `{"x":"***"}`},
		{"https://me:s3cr3t@host/x", "Get \"https://me:***@host/x\": s3cr3t refused; https://other", `Get "***": *** refused; https://other`},
		{"  padded-value \n", "is padded-value here", "is *** here"},
		{"-----BEGIN\nfirst line 1\nlast line 2", "cannot read first line 1 of it", "cannot read *** of it"},
		{"-----BEGIN\nfirst line 1", "cannot read -----BEGIN first line 1", "cannot read ***"},
		{"broker-one:9092,broker-two:9092", "dial broker-two:9092", "dial ***"},
		{"a-very-long-secret-of-many-letters", "'a-very-long-sec…' and a-very-long...", "'***…' and ***..."},
		{"a-very-long-secret-of-many-letters", "a-very-long goodbye", "a-very-long goodbye"},
		{"x1", "max1 is x1, x1:y and 'x1'", "max1 is ***, ***:y and '***'"},
		{"7", "17 of 7 rows", "17 of *** rows"},
		{"!?", "a!?b", "a***b"},
		{" \t", "a \tb", "a \tb"},
		{"", "nothing", "nothing"},
	} {
		s := NewSecrets([]string{c.value})
		if got := s.Hide(c.message); got != c.want {
			t.Errorf("%q in %q: %q, want %q", c.value, c.message, got, c.want)
		}
	}
	if got := (*Secrets)(nil).Hide("x"); got != "x" {
		t.Errorf("no secrets: %q", got)
	}
}

// The longer of two secrets is hidden whole.
func TestHideTheLongerOne(t *testing.T) {
	s := NewSecrets([]string{"secret", "secret-and-more"})
	if got := s.Hide("is secret-and-more, or secret"); got != "is ***, or ***" {
		t.Error(got)
	}
}
