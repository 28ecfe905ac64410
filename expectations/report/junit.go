package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/lakeflow/lakeflow/expectations"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	Failure   *junitProblem `xml:"failure,omitempty"`
	Error     *junitProblem `xml:"error,omitempty"`
	SystemOut string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes the report as JUnit XML, for build servers. A table is a test suite, with a test for each rule and one
// for each table's row accounting. Rows that violate a drop or fail rule make its test fail; those of a warn rule are
// its output. The update itself is a test too, in error when it did not complete.
func (r *Report) JUnit(w io.Writer) error {
	all := junitSuites{Name: r.Pipeline, Time: fmt.Sprintf("%.3f", float64(r.DurationMS)/1000)}
	for _, t := range r.Tables {
		s := junitSuite{Name: t.Name}
		for _, x := range t.Rules {
			s.Cases = append(s.Cases, r.ruleCase(t, x))
		}
		s.Cases = append(s.Cases, r.accountingCase(t))
		all.Suites = append(all.Suites, s)
	}
	all.Suites = append(all.Suites, junitSuite{Name: "update", Cases: []junitCase{r.updateCase()}})
	for i := range all.Suites {
		s := &all.Suites[i]
		s.Timestamp = r.Started.UTC().Format(time.RFC3339)
		s.count()
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
	}
	return writeXML(w, all)
}

func (s *junitSuite) count() {
	s.Tests = len(s.Cases)
	for _, c := range s.Cases {
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
}

func writeXML(w io.Writer, document any) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return fmt.Errorf("write the report as JUnit XML: %w", err)
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(document); err != nil {
		return fmt.Errorf("write the report as JUnit XML: %w", err)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return fmt.Errorf("write the report as JUnit XML: %w", err)
	}
	return nil
}

func (r *Report) ruleCase(t Table, x RuleResult) junitCase {
	c := junitCase{Name: x.Name, ClassName: r.Pipeline + "." + t.Name}
	if x.Failed == 0 {
		return c
	}
	message := fmt.Sprintf("%s of %s violate %s (%s %%)", humanize.Comma(x.Failed), counted(x.Passed+x.Failed, "row"), oneLine(x.Expression), failedPercent(x.FailedPercent))
	if expectations.Action(x.Action) == expectations.Warn {
		c.SystemOut = message
		return c
	}
	c.Failure = &junitProblem{Message: message, Type: x.Action, Text: r.exampleLines(t.Name, x.Name)}
	return c
}

func (r *Report) exampleLines(table, rule string) string {
	var lines []string
	for _, d := range r.DeadLetters {
		if d.Table == table && d.Rule == rule {
			for _, e := range d.Examples {
				lines = append(lines, e.line())
			}
		}
	}
	return strings.Join(lines, "\n")
}

func (r *Report) accountingCase(t Table) junitCase {
	c := junitCase{Name: "row accounting", ClassName: r.Pipeline + "." + t.Name}
	var lines, wrong []string
	for _, f := range t.Flows {
		line := fmt.Sprintf("%s: %s", f.Name, f.equation())
		lines = append(lines, line)
		if !f.Balances {
			wrong = append(wrong, line)
		}
	}
	c.SystemOut = strings.Join(lines, "\n")
	if len(wrong) > 0 {
		c.Failure = &junitProblem{Message: "the rows of a batch do not add up; see which with lakeflow audit", Type: "accounting", Text: strings.Join(wrong, "\n")}
	}
	return c
}

func (f Flow) equation() string {
	equals := "="
	if !f.Balances {
		equals = "≠"
	}
	kept := humanize.Comma(f.Written) + " written"
	if f.Changes != nil {
		kept = humanize.Comma(f.Kept()) + " applied + " + humanize.Comma(f.Superseded()) + " superseded"
	}
	return fmt.Sprintf("%s %s %s + %s + %s discarded; %s", counted(f.QueryRows, "query row"), equals, kept,
		counted(f.DeadLettered, "dead letter"), humanize.Comma(f.Discarded), counted(f.Unreadable, "unreadable record"))
}

func (r *Report) updateCase() junitCase {
	c := junitCase{Name: r.UpdateID, ClassName: r.Pipeline}
	if r.Status == "COMPLETED" {
		return c
	}
	message := r.Error
	if message == "" {
		message = "the update did not complete"
	}
	c.Error = &junitProblem{Message: message, Type: r.Status}
	return c
}
