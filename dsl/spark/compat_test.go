package spark_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/dsl/spark"
)

const compatPage = "../../docs/spark-compat.md"

// outcome is what came of a question: what differs from Spark, and why it does.
type outcome struct {
	sql, what, reason string
}

// checkPage compares the page with what is generated, or writes it.
func checkPage(t *testing.T, all []outcome) {
	t.Helper()
	page := compatibility(all)
	if *update {
		if err := os.WriteFile(compatPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(compatPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page {
		t.Errorf("docs/spark-compat.md is not what the answers give; run go test ./dsl/spark -run TestAnswers -update")
	}
}

// compatibility is the page.
func compatibility(all []outcome) string {
	var b strings.Builder
	same := 0
	for _, o := range all {
		if o.what == "" {
			same++
		}
	}
	fmt.Fprintf(&b, `# How lakeflow's Spark SQL compares with Spark

This page is generated: `+"`make spark-diff`"+` asks Apache Spark %s, in ANSI mode and in UTC, and compares values, types and names of columns with what lakeflow gives.
The same questions and Spark's answers are a test. Of %d questions, %d have the same answer; the others are listed under [Differences](#differences), each with the reason.

What holds everywhere:

- A sum of integers is computed with 128 bits. It is a BIGINT where it is stored, and overflows there.
- A DECIMAL may have more digits in front of the point than Spark's. Its scale is the same. A quotient of DECIMALs is a DOUBLE, and the average of one with more than 11 decimals.
- NULL that nothing gives a type has the type INTEGER.
- TIMESTAMP and TIMESTAMP_NTZ are one type: a moment without a zone, in UTC.
- An error is an error in both; its text is not Spark's.

## Functions

"same" is a function whose every answer is Spark's. "not asked" are functions whose results differ from run to run.

| function | compared | answers | same |
|---|---|---:|---:|
`, sparkVersion, len(all), same)
	asked := byFunction(all)
	for _, f := range spark.Functions() {
		row := asked[f.Name]
		n, ok := len(row), 0
		reasons := map[string]bool{}
		for _, o := range row {
			if o.what == "" {
				ok++
			} else {
				reasons[o.reason] = true
			}
		}
		switch {
		case f.How == spark.Refused:
			fmt.Fprintf(&b, "| `%s` | unsupported: %s | | |\n", f.Name, f.Reason)
		case n == 0:
			fmt.Fprintf(&b, "| `%s` | not asked | | |\n", f.Name)
		case ok == n:
			fmt.Fprintf(&b, "| `%s` | same | %d | %d |\n", f.Name, n, ok)
		default:
			fmt.Fprintf(&b, "| `%s` | differs: %s | %d | %d |\n", f.Name, strings.Join(sortedKeys(reasons), "; "), n, ok)
		}
	}
	b.WriteString("\n## Differences\n")
	byReason := map[string][]outcome{}
	for _, o := range all {
		if o.what != "" {
			byReason[o.reason] = append(byReason[o.reason], o)
		}
	}
	reasons := map[string]bool{}
	for r := range byReason {
		reasons[r] = true
	}
	for _, r := range sortedKeys(reasons) {
		fmt.Fprintf(&b, "\n### %s%s\n\n", strings.ToUpper(r[:1]), r[1:])
		for _, o := range byReason[r] {
			fmt.Fprintf(&b, "- `` %s ``: %s\n", o.sql, clipped(o.what))
		}
	}
	return b.String()
}

// clipped is the beginning of a line.
func clipped(s string) string {
	line, _, _ := strings.Cut(s, " | ")
	line = strings.Join(strings.Fields(line), " ")
	if runes := []rune(line); len(runes) > 180 {
		line = string(runes[:180]) + "…"
	}
	return strings.NewReplacer("<", "&lt;", "*", `\*`, "|", `\|`).Replace(line)
}

func sortedKeys(set map[string]bool) []string {
	var keys []string
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// byFunction are the outcomes of the questions that call a function.
func byFunction(all []outcome) map[string][]outcome {
	calls := map[string][]outcome{}
	for _, o := range all {
		tokens := spark.Lex(o.sql)
		seen := map[string]bool{}
		for i, t := range tokens {
			name := strings.ToLower(t.Text(o.sql))
			if t.Kind == spark.Word && i+1 < len(tokens) && tokens[i+1].Text(o.sql) == "(" && !seen[name] {
				seen[name] = true
				calls[name] = append(calls[name], o)
			}
		}
	}
	// A helper that makes an argument, or names a type, is not what a question is about.
	for name, list := range calls {
		calls[name] = slices.DeleteFunc(list, func(o outcome) bool {
			return strings.Contains(" array map struct named_struct cast values ", " "+name+" ") && !strings.HasPrefix(strings.ToLower(o.sql), name+"(") && o.what != ""
		})
	}
	return calls
}
