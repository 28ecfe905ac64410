package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/expectations/report"
	"github.com/lakeflow/lakeflow/schemas"
)

var update = flag.Bool("update", false, "write the golden files")

// eventLog writes events as an engine does.
type eventLog struct {
	events []schemas.Event
	clock  time.Time
	id     string
}

func newLog() *eventLog {
	return &eventLog{clock: time.Date(2024, 5, 6, 7, 0, 0, 0, time.UTC)}
}

func (l *eventLog) add(eventType, table, flow string, details any, e *schemas.EventError) {
	l.clock = l.clock.Add(700 * time.Millisecond)
	text, err := json.Marshal(map[string]any{eventType: details})
	if err != nil {
		panic(err)
	}
	n := int64(len(l.events))
	l.events = append(l.events, schemas.Event{ID: fmt.Sprint("e", n), Timestamp: l.clock, EventType: eventType, Details: string(text), Error: e, Level: "INFO",
		Sequence: schemas.Sequence{DataPlane: schemas.DataPlaneID{Instance: l.id, SeqNo: n}},
		Origin:   schemas.Origin{PipelineName: "flights", UpdateID: l.id, DatasetName: table, FlowName: flow}})
}

func (l *eventLog) start(id string) {
	l.id, l.clock = id, l.clock.Add(time.Hour)
	l.add("create_update", "", "", map[string]string{"cause": "USER_ACTION"}, nil)
	l.state("RUNNING")
}

func (l *eventLog) state(state string) {
	l.add("update_progress", "", "", map[string]string{"state": state}, nil)
}

func (l *eventLog) batch(table, flow string, a schemas.Accounting, rules ...schemas.ExpectationResult) {
	p := schemas.FlowProgress{Status: "RUNNING", Lakeflow: &a}
	if len(rules) > 0 {
		p.DataQuality = &schemas.DataQuality{DroppedRecords: a.DeadLettered + a.Discarded, Expectations: rules}
	}
	l.add("flow_progress", table, flow, p, nil)
}

func (l *eventLog) flow(table, flow, status string) {
	l.add("flow_progress", table, flow, schemas.FlowProgress{Status: status}, nil)
}

func outcome(name, action, expr string, rows, failed int64) schemas.ExpectationResult {
	return schemas.ExpectationResult{Name: name, Action: action, Expression: expr, Passed: rows - failed, Failed: failed}
}

// silver is a batch of the fixture's main table.
func silver(rows, delay, route, short int64) (schemas.Accounting, []schemas.ExpectationResult) {
	return schemas.Accounting{Mode: "append", QueryRows: rows, Written: rows - delay, DeadLettered: delay}, []schemas.ExpectationResult{
		outcome("known_delay", "drop", "delay BETWEEN -120 AND 1440", rows, delay),
		outcome("has_route", "fail", "origin IS NOT NULL\n  AND destination <> origin", rows, route),
		outcome("short_hop", "warn", "distance > 50", rows, short),
	}
}

// history is 14 updates: 12 that are alike, one without rows, and one in two batches.
func history() *eventLog {
	l := newLog()
	for i := range int64(12) {
		l.start(fmt.Sprintf("0190-%02d", i))
		a, rules := silver(10000, (i*7)%5*20, 0, 300-i*20)
		l.batch("silver_flights", "silver_flights", a, rules...)
		l.state("COMPLETED")
	}
	l.start("0191-none")
	for _, table := range []string{"bronze_flights", "silver_flights", "gold_routes"} {
		l.flow(table, table, "SKIPPED")
	}
	l.state("COMPLETED")

	l.start("0192-last")
	l.batch("bronze_flights", "from_feed", schemas.Accounting{Mode: "append", InputFiles: 40, InputBytes: 4 << 20, QueryRows: 12000, Written: 12000, Unreadable: 3})
	a, rules := silver(12000, 90, 0, 41)
	l.batch("silver_flights", "silver_flights", a, rules...)
	l.batch("bronze_flights", "from_feed", schemas.Accounting{Mode: "append", InputFiles: 10, InputBytes: 1 << 20, QueryRows: 8000, Written: 8000})
	l.batch("bronze_flights", "by_hand", schemas.Accounting{Mode: "append", InputFiles: 1, InputBytes: 100, QueryRows: 5, Written: 5})
	a, rules = silver(8005, 10, 0, 0)
	l.batch("silver_flights", "silver_flights", a, rules...)
	for _, rows := range []int64{310, 320} {
		l.batch("gold_routes", "gold_routes", schemas.Accounting{Mode: "replace", QueryRows: rows, Written: rows - 2, Discarded: 2}, outcome("busy", "drop", "flights > 1", rows, 2))
	}
	for _, table := range []string{"bronze_flights", "silver_flights", "gold_routes"} {
		l.flow(table, table, "COMPLETED")
	}
	l.state("COMPLETED")
	return l
}

func letters() []report.DeadLetters {
	seen := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	return []report.DeadLetters{
		{Table: "bronze_flights", Status: "open", Rows: 3, Examples: []report.Example{
			{ID: "a1", Violated: []string{}, Raw: `{"date": "2024-01-0`, Error: "Malformed JSON: unexpected end of data", Source: "flights_feed", File: "data/flights/07.json", Line: 1412, FirstSeen: seen}}},
		{Table: "silver_flights", Rule: "known_delay", Action: "drop", Expression: "delay BETWEEN -120 AND 1440", Status: "open", Rows: 100, Examples: []report.Example{
			{ID: "b1", Violated: []string{"known_delay", "short_hop"}, Expressions: []string{"delay BETWEEN -120 AND 1440", `"Distance" >= 100`}, Row: json.RawMessage(`{"date":"2024-01-01 07:00:00","delay":1999,"distance":12,"origin":"ABQ","destination":"DAL"}`), FirstSeen: seen},
			{ID: "b2", Violated: []string{"known_delay"}, Row: json.RawMessage(`{"date":"2024-01-01 07:05:00","delay":null,"distance":487,"origin":"ABQ","destination":"PHX"}`), FirstSeen: seen}}},
	}
}

func build(t *testing.T, l *eventLog, id string) *report.Report {
	t.Helper()
	// The order of the rows in the log must not matter.
	events := slices.Clone(l.events)
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	r, err := report.Build(events, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func golden(t *testing.T, name string, write func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := write(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs; if it should, run go test with -update:\n%s", path, diff)
	}
}

func TestReportGoldens(t *testing.T) {
	r := build(t, history(), "")
	r.DeadLetters = letters()
	golden(t, "report.txt", r.Text)
	golden(t, "report.json", r.JSON)
	golden(t, "report.xml", r.JUnit)
	f := build(t, failedUpdate(), "")
	f.DeadLetters = []report.DeadLetters{{Table: "silver_flights", Rule: "has_route", Action: "fail", Status: "failed_update", Rows: 2,
		Expression: "origin IS NOT NULL", Examples: []report.Example{{ID: "c", Row: json.RawMessage(`{"origin": null}`), Violated: []string{"has_route"}}}}}
	golden(t, "failed.txt", f.Text)
	golden(t, "failed.xml", f.JUnit)
	golden(t, "norows.txt", build(t, history(), "0191").Text)
}

func failedUpdate() *eventLog {
	l := history()
	l.start("0193-bad")
	l.batch("bronze_flights", "from_feed", schemas.Accounting{Mode: "append", QueryRows: 10, Written: 9}) // a row is missing
	_, rules := silver(500, 4, 2, 0)
	l.add("flow_progress", "silver_flights", "silver_flights", schemas.FlowProgress{Status: "FAILED", DataQuality: &schemas.DataQuality{Expectations: rules}}, nil)
	l.add("update_progress", "", "", map[string]string{"state": "FAILED"},
		&schemas.EventError{Fatal: true, Exceptions: []schemas.Exception{{Message: "expectation has_route of silver_flights: 2 rows violate it"}}})
	return l
}

func TestReportFigures(t *testing.T) {
	r := build(t, history(), "")
	if r.UpdateID != "0192-last" || r.Status != "COMPLETED" || r.LastWithRows != "" {
		t.Errorf("got update %s %s %s", r.UpdateID, r.Status, r.LastWithRows)
	}
	wantFlows := map[string]report.Flow{
		"bronze_flights/from_feed":      {Name: "from_feed", Batches: 2, InputFiles: 50, InputBytes: 5 << 20, Unreadable: 3, QueryRows: 20000, Written: 20000, Balances: true},
		"bronze_flights/by_hand":        {Name: "by_hand", Batches: 1, InputFiles: 1, InputBytes: 100, QueryRows: 5, Written: 5, Balances: true},
		"silver_flights/silver_flights": {Name: "silver_flights", Batches: 2, QueryRows: 20005, Written: 19905, DeadLettered: 100, Balances: true},
		"gold_routes/gold_routes":       {Name: "gold_routes", Batches: 1, QueryRows: 320, Written: 318, Discarded: 2, Balances: true},
	}
	gotFlows := map[string]report.Flow{}
	rules := map[string]report.RuleResult{}
	for _, table := range r.Tables {
		for _, f := range table.Flows {
			gotFlows[table.Name+"/"+f.Name] = f
		}
		for _, x := range table.Rules {
			rules[x.Name] = x
		}
	}
	if diff := cmp.Diff(wantFlows, gotFlows); diff != "" {
		t.Error(diff)
	}
	if x := rules["known_delay"]; x.Failed != 100 || x.Passed != 19905 || len(x.Trend) != 13 || x.Trend[12].Records != 20005 || x.Trend[1].FailedPercent != 0.4 {
		t.Errorf("known_delay: %+v", x)
	}
	if x := rules["busy"]; x.Failed != 2 || x.Passed != 318 || len(x.Trend) != 1 {
		t.Errorf("busy counts more than the last refresh: %+v", x)
	}
	if want := int64(3*20005 + 320); r.Totals.Checks != want || r.Totals.FailedChecks != 143 || r.Totals.Written != 20005+19905+318 {
		t.Errorf("totals: %+v", r.Totals)
	}
}

// TestFollowedView has a view follow its inputs twice in an update: its figures are those of all rows as they are at last.
func TestFollowedView(t *testing.T) {
	l := newLog()
	l.start("0192-follow")
	l.batch("gold", "gold", schemas.Accounting{Mode: "replace", QueryRows: 10, Written: 8, DeadLettered: 2}, outcome("busy", "drop", "n > 1", 10, 2))
	l.batch("gold", "gold", schemas.Accounting{Mode: "merge", QueryRows: 3, Written: 2, DeadLettered: 1, Changes: &schemas.ChangeCounts{Applied: 2, Removed: 1},
		View: &schemas.ViewCounts{Rows: 12, Dropped: 3}}, outcome("busy", "drop", "n > 1", 12, 3))
	l.batch("gold", "gold", schemas.Accounting{Mode: "merge", QueryRows: 1, Written: 1, Changes: &schemas.ChangeCounts{Applied: 1},
		View: &schemas.ViewCounts{Rows: 11, Dropped: 1}}, outcome("busy", "drop", "n > 1", 11, 1))
	l.state("COMPLETED")
	r := build(t, l, "")
	want := report.Flow{Name: "gold", Batches: 3, QueryRows: 14, Written: 11, DeadLettered: 3, Changes: &schemas.ChangeCounts{Applied: 3, Removed: 1}, Balances: true}
	if diff := cmp.Diff([]report.Flow{want}, r.Tables[0].Flows); diff != "" {
		t.Error(diff)
	}
	if x := r.Tables[0].Rules[0]; x.Passed != 10 || x.Failed != 1 {
		t.Errorf("%d passed, %d failed; want 10 and 1", x.Passed, x.Failed)
	}
}

func TestReportStatus(t *testing.T) {
	f := build(t, failedUpdate(), "")
	if f.Status != "FAILED" || f.Error != "expectation has_route of silver_flights: 2 rows violate it" || f.Totals.Balances {
		t.Errorf("%s %q balances %v", f.Status, f.Error, f.Totals.Balances)
	}
	if s := f.Tables[1]; !s.Refused || len(s.Flows) != 0 || s.Rules[1].Failed != 2 {
		t.Errorf("the refused table: %+v", s)
	}
	l := newLog()
	l.start("killed")
	l.start("running")
	if got := build(t, l, "killed").Status; got != "INTERRUPTED" {
		t.Error(got)
	}
	if got := build(t, l, "").Status; got != "RUNNING" {
		t.Error(got)
	}
	if none := build(t, history(), "0191"); none.LastWithRows != "0190-11" || none.Tables[0].Status != "SKIPPED" {
		t.Errorf("an update without rows points to %q", none.LastWithRows)
	}
}

func TestSelectUpdate(t *testing.T) {
	events := history().events
	for id, want := range map[string]string{
		"0190-0":  `10 updates' ids begin with "0190-0"; write more of the id: the latest are 0190-09, 0190-08, 0190-07, 0190-06, 0190-05`,
		"nothing": `no update's id begins with "nothing"; the latest are 0192-last, 0191-none, 0190-11, 0190-10, 0190-09`,
	} {
		if _, err := report.Build(events, id); err == nil || err.Error() != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := report.Build(nil, ""); err == nil || !strings.Contains(err.Error(), "lakeflow run") {
		t.Error(err)
	}
	early := build(t, history(), "0190-03")
	if n := len(early.Tables[0].Rules[0].Trend); n != 4 {
		t.Errorf("the trend of an early update has %d updates", n)
	}
	l := newLog()
	for _, id := range []string{"u1", "u11"} {
		l.start(id)
	}
	if got := build(t, l, "u1").UpdateID; got != "u1" {
		t.Error(got)
	}
	broken := slices.Clone(events)
	broken[2].Details = "{"
	if _, err := report.Build(broken, "0190-00"); err == nil || !strings.Contains(err.Error(), "event e2 of update 0190-00") {
		t.Error(err)
	}
}

func TestTrendIsBounded(t *testing.T) {
	l := newLog()
	for i := range 50 {
		l.start(fmt.Sprintf("u%02d", i))
		a, rules := silver(100, 1, 0, 0)
		l.batch("s", "s", a, rules...)
	}
	if trend := build(t, l, "").Tables[0].Rules[0].Trend; len(trend) != report.TrendUpdates || trend[29].UpdateID != "u49" {
		t.Errorf("%d points", len(trend))
	}
}

// element is what is looked at in a page.
type element struct {
	name  string
	attrs map[string]string
}

// parsePage reads HTML with a reader that does not know html/template: its elements and its text.
func parsePage(t *testing.T, page string) ([]element, string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	var elements []element
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return elements, text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			e := element{x.Name.Local, map[string]string{}}
			for _, a := range x.Attr {
				e.attrs[a.Name.Local] = a.Value
			}
			elements = append(elements, e)
		case xml.CharData:
			text.Write(x)
		}
	}
}

func TestHTML(t *testing.T) {
	r := build(t, failedUpdate(), "0192")
	r.DeadLetters = letters()
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	elements, text := parsePage(t, page.String())
	count := map[string]int{}
	for _, e := range elements {
		count[e.name]++
	}
	for name, want := range map[string]int{"h1": 1, "article": 3, "details": 2, "svg": 3, "caption": 3, "pre": 3, "script": 0, "link": 0, "img": 0, "iframe": 0} {
		if count[name] != want {
			t.Errorf("%d %s elements, want %d", count[name], name, want)
		}
	}
	for _, want := range []string{"flights", "0192-last", "completed", "40,228", "known_delay", "delay BETWEEN -120 AND 1440", "99.50 %", "100 rows",
		"data/flights/07.json:1412", "delay: 1999", "✓ yes", "100 rows, 3 unreadable", "20,005", "no earlier update"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	if external := regexp.MustCompile(`(?i)https?:|url\(|@import|//[a-z]`).FindString(page.String()); external != "" {
		t.Errorf("the page refers to something outside: %s", external)
	}
}

func TestHTMLEscapesHostileData(t *testing.T) {
	const evil = `</pre></script><script>alert(1)</script><img src=x onerror="alert(2)">" onmouseover='alert(3)' {{.}} ;} body{display:none} &amp;`
	l := newLog()
	l.start(evil)
	l.batch(evil, evil, schemas.Accounting{Mode: evil, QueryRows: 4, Written: 4}, outcome(evil, evil, evil, 4, 1))
	l.add("update_progress", "", "", map[string]string{"state": "FAILED" + evil}, &schemas.EventError{Fatal: true, Exceptions: []schemas.Exception{{Message: evil}}})
	r := build(t, l, "")
	row, err := json.Marshal(map[string]string{evil: evil})
	if err != nil {
		t.Fatal(err)
	}
	r.Pipeline = evil
	r.DeadLetters = []report.DeadLetters{{Table: evil, Rule: evil, Action: evil, Expression: evil, Status: evil, Rows: 1, Examples: []report.Example{
		{ID: evil, Violated: []string{evil}, Row: row, File: evil, Line: 1, Error: evil}, {Raw: evil + "\x00\xff"}, {Row: json.RawMessage("not JSON " + evil)}}}}
	var page bytes.Buffer
	if err := r.HTML(&page); err != nil {
		t.Fatal(err)
	}
	elements, text := parsePage(t, page.String())
	for _, e := range elements {
		if slices.Contains([]string{"script", "img", "body-evil"}, e.name) {
			t.Errorf("hostile data made an element %s", e.name)
		}
		for name, value := range e.attrs {
			if strings.HasPrefix(name, "on") || name == "src" || name == "href" {
				t.Errorf("hostile data made an attribute %s=%s", name, value)
			}
			if name == "style" && !regexp.MustCompile(`^width:[0-9.]+%$`).MatchString(value) {
				t.Errorf("style %q", value)
			}
		}
	}
	if n := strings.Count(text, evil); n < 10 {
		t.Errorf("the hostile text is shown %d times as itself", n)
	}
	for name, write := range map[string]func(io.Writer) error{"junit": r.JUnit, "text": r.Text} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if strings.ContainsAny(b.String(), "\x00\x1b") {
			t.Errorf("%s has control characters", name)
		}
		if name == "junit" {
			if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
				t.Errorf("junit: %v", err)
			}
		}
	}
}

// TestIdleUpdates has a report tell of the last update that did something.
func TestIdleUpdates(t *testing.T) {
	l := history()
	for _, id := range []string{"0193-idle", "0194-idle"} {
		l.start(id)
		l.flow("silver_flights", "silver_flights", "SKIPPED")
		l.state("COMPLETED")
	}
	r := build(t, l, "")
	var text, junit bytes.Buffer
	if err := errors.Join(r.Text(&text), r.JUnit(&junit)); err != nil {
		t.Fatal(err)
	}
	if r.UpdateID != "0192-last" || r.Idle != 2 || !strings.Contains(text.String(), "2 later updates found nothing new.") || !strings.Contains(junit.String(), "known_delay") {
		t.Errorf("update %s, %d idle ones since\n%s\n%s", r.UpdateID, r.Idle, &text, &junit)
	}
	l.start("0195-bad")
	l.state("FAILED")
	if r := build(t, l, ""); r.UpdateID != "0195-bad" || r.Idle != 0 {
		t.Errorf("after a failed update: %s", r.UpdateID)
	}
	never := newLog()
	never.start("0196-first")
	never.state("COMPLETED")
	if r := build(t, never, ""); r.UpdateID != "0196-first" || r.Idle != 0 {
		t.Errorf("when nothing was ever done: %s, %d", r.UpdateID, r.Idle)
	}
}
