package spark

import (
	"math"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/sqltext"
)

// What Literal makes of a text is one token, of one line, that Unquote makes the text of again.
func TestLiteralOfTexts(t *testing.T) {
	for _, text := range []string{"", "plain", "it's", `a\b`, `\`, `\'`, `100%`, `a\%b`, `a\_b`, "two\nlines\r\n", `"quoted"`, "*/", "/*", "--", "ü€😀", `\u0041`, `\101`} {
		literal := Literal(text)
		tokens := Lex(literal)
		if len(tokens) != 1 || tokens[0].Kind != String || !tokens[0].Closed(literal) {
			t.Errorf("%q is not one closed text: %s", text, literal)
		} else if got := Unquote(literal); got != text {
			t.Errorf("%q became %s, which is %q", text, literal, got)
		}
		for _, comment := range []string{"-- " + literal, "/* " + literal + " */"} {
			if tokens := Lex(comment); len(tokens) != 1 || tokens[0].Kind != Comment {
				t.Errorf("%q ends the comment %s", text, comment)
			}
		}
	}
}

// Other values are literals that the translation knows the type of.
func TestLiteralOfNumbers(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{nil, "NULL"}, {true, "TRUE"}, {int64(5), "5"}, {int64(-5), "(-5)"}, {0.5, "CAST('5e-01' AS DOUBLE)"},
		{math.Inf(-1), "CAST(spark.fraction('-Infinity') AS DOUBLE)"}, {math.NaN(), "CAST(spark.fraction('NaN') AS DOUBLE)"},
	} {
		var diags diag.List
		q := Expression(Literal(c.value), sqltext.WholeFile("x"), Pipeline{}, &diags)
		if len(diags) > 0 || q.Text != c.want {
			t.Errorf("%v: %s became %s, want %s; %v", c.value, Literal(c.value), q.Text, c.want, diags)
		}
	}
}
