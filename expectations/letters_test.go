package expectations_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/expectations/report"
	"github.com/lakeflow/lakeflow/schemas"
)

// TestDeadLettersSQL reads back what DeadLetterSQL, RejectSQL and SampleSQL wrote.
func TestDeadLettersSQL(t *testing.T) {
	db := openDuck(t)
	rs := expectations.RuleSet{Table: "s", Rules: []expectations.Rule{rule("low", "i < 90", expectations.Drop), rule("even", "i % 2 = 0", expectations.Drop),
		rule("warned", "false", expectations.Warn), rule("stop", "i <> 7", expectations.Fail)}}
	broken(t, db, rs, "SELECT i, {'a b': i::VARCHAR} AS s FROM range(100) r(i)")
	exec(t, db, "CREATE TABLE dl ("+schemas.DeadLetter().SQLColumns()+")")
	info := expectations.DeadLetterInfo{Table: "s", UpdateID: "it's", FirstSeen: time.Date(2024, 5, 6, 7, 8, 9, 123456000, time.UTC)}
	exec(t, db, "INSERT INTO dl "+rs.DeadLetterSQL("b", info))
	exec(t, db, "INSERT INTO dl "+rs.SampleSQL("q", info, 20))
	exec(t, db, "INSERT INTO dl "+expectations.RejectSQL(`(SELECT 'f' AS file, 3 AS line, -1 AS "offset", '\x00\xFF'::BLOB AS raw, 'bad' AS reason, false AS whole, NULL::INTEGER AS "partition")`, info))
	info.UpdateID = "another"
	exec(t, db, "INSERT INTO dl "+rs.DeadLetterSQL("b", info))

	var got []string
	for _, line := range strings.Split(rows(t, db, report.DeadLettersSQL("dl", "it's")), "\n") {
		var d report.DeadLetters
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s %d: %d examples", d.Table, d.Rule, d.Action, d.Status, d.Rows, len(d.Examples)))
		for _, e := range d.Examples {
			if !e.FirstSeen.Equal(info.FirstSeen) {
				t.Errorf("first seen %v", e.FirstSeen)
			}
			var row struct {
				I int               `json:"i"`
				S map[string]string `json:"s"`
			}
			if d.Rule != "" && (json.Unmarshal(e.Row, &row) != nil || row.S["a b"] != fmt.Sprint(row.I) || !slices.Contains(e.Violated, d.Rule)) {
				t.Errorf("example %+v of %s", e, d.Rule)
			}
			if d.Rule == "" && (e.Raw != `\x00\xFF` || e.Error != "bad" || e.File != "f" || e.Line != 3) {
				t.Errorf("reject %+v", e)
			}
		}
	}
	want := []string{
		"s even drop failed_update 1: 1 examples", "s stop fail failed_update 1: 1 examples",
		"s even drop open 50: 5 examples", "s low drop open 10: 5 examples", "s stop fail open 1: 1 examples", "s   open 1: 1 examples",
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
