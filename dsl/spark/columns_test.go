package spark_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

// withColumns takes the constants of an expression out into a query behind FROM, so that nothing of them is known when the
// text is written. It is empty for an expression in which there are none, or in which they have to be constants.
func withColumns(sql string) string {
	tokens := spark.Lex(sql)
	var items []string
	var b strings.Builder
	word := ""
	column := func(text string) {
		name := "c" + string(rune('a'+len(items)))
		items = append(items, text+" AS "+name)
		b.WriteString(name)
	}
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		text := t.Text(sql)
		constant := t.Kind == spark.String || t.Kind == spark.Number
		if constant && (word == "interval" || word == "escape" || i > 1 && tokens[i-1].Kind == spark.Space && tokens[i-2].Kind == spark.String ||
			word == "::" || word == "[" && strings.Contains(sql, ":a") || strings.Contains(sql, "decimal(") && t.Kind == spark.Number) {
			return ""
		}
		typed := t.Kind == spark.Word && slices.Contains([]string{"date", "timestamp", "timestamp_ntz", "x"}, strings.ToLower(text))
		switch {
		case typed && i+1 < len(tokens) && tokens[i+1].Kind == spark.String:
			column(text + tokens[i+1].Text(sql))
			i++
		case typed && i+2 < len(tokens) && tokens[i+2].Kind == spark.String && tokens[i+1].Kind == spark.Space:
			column(text + tokens[i+2].Text(sql))
			i += 2
		case constant && (i == 0 || tokens[i-1].Kind != spark.String):
			column(text)
		default:
			b.WriteString(text)
		}
		if t.Kind != spark.Space {
			word = strings.ToLower(text)
		}
	}
	if len(items) == 0 || len(items) > 20 {
		return ""
	}
	return "SELECT " + b.String() + " AS v FROM (SELECT " + strings.Join(items, ", ") + ")"
}

// TestColumns compares with what Spark gives for constants.
func TestColumns(t *testing.T) {
	conn, made := open(t), map[string]bool{}
	known := deviations(t)
	counts := map[string]int{}
	for i, a := range answers(t) {
		query := ""
		if i > 1000 && i%3 > 0 { // of the questions that are made a part is enough
			continue
		}
		if expression(a.SQL) && known[a.SQL] == "" {
			query = withColumns(a.SQL)
		}
		if query == "" {
			continue
		}
		got, text := run(conn, query, made)
		switch what := compare(a, got, true); {
		case what == "":
			counts["right"]++
		case strings.Contains(got.Error, "LF0604") || strings.Contains(got.Error, "LF0602"): // it has to be a constant
			counts["constant"]++
		case known["column: "+a.SQL] != "":
			counts["known"]++
		default:
			counts["wrong"]++
			t.Errorf("%s\n\t%s\n\t%s", a.SQL, what, text)
		}
	}
	t.Log(counts)
}
