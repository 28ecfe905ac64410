package spark

import (
	"strings"
	"testing"
)

// The kinds of tokens in the order of their constants, as the lines below call them.
const letters = "_cwnsdpo"

// Each token is a letter for its kind, and its text.
func TestLex(t *testing.T) {
	for _, want := range [][]string{
		{"wSELECT", "_ ", "w12m_sales", "o,", "d1L", "o,", "d1.5BD", "o,", "d.5", "o,", "d1e3", "o,", "w1e3a"},
		{"wsnow", "o.", "w1h", "_ ", "n`a``b`", "o.", "n`c d`"},
		{"s'it''s'", "_ ", `s'a\'b'`, "_ ", `s"x""y"`, "_ ", `sr'\d'`, "_ ", `sR"\"`},
		{"wARRAY", "o<", "wARRAY", "o<", "wINT", "o>", "o>", "o<=>", "o>=", "o!="},
		{"wa", "o::", "wint", "o->", "wb", "o=>", "wc", "o|>", "o||"},
		{"wx", "c/* a /* b */ c */", "wy", "c-- d"},
		{"p${a.b}", "o.", "wschema_", "p${env}"},
		{"d1.", "o+", "d2.0F", "_ ", "wäöü"},
		{"wt", "o.", "wa1", "o.", "w_b"},
		{"wraw", "o:", "worder", "o[", "d0", "o]"},
		{"d1", "_\n\u00a0\t", "d2"},
		{"s'no end"}, {"n`no end"}, {"c/* no end"}, {`s'no end\'`}, {"o${", "_ ", "wx"}, {"o${", "wa", "p${b}"},
	} {
		sql := ""
		for _, token := range want {
			sql += token[1:]
		}
		var got []string
		for _, token := range Lex(sql) {
			got = append(got, letters[token.Kind:token.Kind+1]+token.Text(sql))
		}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s\n got %q\nwant %q", sql, got, want)
		}
	}
}

func TestClosed(t *testing.T) {
	for sql, want := range map[string]bool{
		"'a'": true, "'a": false, `'a\'`: false, "'a''": false, `r'a\'`: true, "`a`": true, "`a``": false, "`": false, "'": false,
		"/* a */": true, "/* /* */": false, "-- a": true, "/*": false,
	} {
		tokens := Lex(sql)
		if got := tokens[0].Closed(sql); len(tokens) != 1 || got != want {
			t.Errorf("%s: closed is %v, %d tokens", sql, got, len(tokens))
		}
	}
}

func FuzzLex(f *testing.F) {
	f.Add("SELECT a:b.c, `x`, r'\\', 1.e3, ${p} -- c")
	f.Fuzz(func(t *testing.T, sql string) {
		at := 0
		for _, token := range Lex(sql) {
			if token.Start != at || token.End <= at {
				t.Fatalf("token %v begins at %d", token, at)
			}
			token.Closed(sql)
			at = token.End
		}
		if at != len(sql) {
			t.Fatalf("tokens end at %d of %d", at, len(sql))
		}
	})
}
