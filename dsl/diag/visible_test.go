package diag

import "testing"

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"plain, größer, 日本語 😀":        "plain, größer, 日本語 😀",
		"two\nlines\tand a tab":       "two\nlines\tand a tab",
		"\x1b]0;title\a\x1b[2J\r\x7f": `\x1b]0;title\x07\x1b[2J\x0d\x7f`,
		"\u009b31m\u0080\u009f\u00a0": "\\x9b31m\\x80\\x9f\u00a0",
		"a\u202eb\u2066c\u2069\u200f": `a\u202eb\u2066c\u2069\u200f`,
		"\x9b2J \xff \xe2\x80":        `\x9b2J \xff \xe2\x80`,
		"\x00":                        `\x00`,
		"�":                           "�",
	} {
		if got := Visible(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
		if again := Visible(want); again != want {
			t.Errorf("%q is changed again: %q", want, again)
		}
	}
	if got := VisibleLine("a\r\nb\tc\x1b"); got != `a  b c\x1b` {
		t.Error(got)
	}
}

func TestVisibleJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"é"}`: `{"a":"é"}`,
		"{\"a\":\"x\u009b31m\u202e\u2066\u0085\u007f\",\n\t\"b\":1}": "{\"a\":\"x\\u009b31m\\u202e\\u2066\\u0085\\u007f\",\n\t\"b\":1}",
	} {
		if got := VisibleJSON(text); got != want {
			t.Errorf("%q: %q; want %q", text, got, want)
		}
	}
}
