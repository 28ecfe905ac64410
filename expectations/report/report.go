package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
)

// TrendUpdates is how many updates a rule's trend covers at most.
const TrendUpdates = 30

// Report is the quality of one update, from stored figures. Its JSON field names are stable.
type Report struct {
	Pipeline string `json:"pipeline"`
	UpdateID string `json:"update_id"`
	// Status is the state of the update: COMPLETED, FAILED, CANCELED, a state on the way there, or INTERRUPTED when
	// the update never ended and a later one exists.
	Status     string    `json:"status"`
	Error      string    `json:"error,omitempty"`
	Started    time.Time `json:"started"`
	DurationMS int64     `json:"duration_ms"` // until the last event
	Totals     Totals    `json:"totals"`
	Tables     []Table   `json:"tables"` // those that the update reached, in its order
	// DeadLetters by table and rule. A row that broke several rules is in several groups.
	DeadLetters []DeadLetters `json:"dead_letters"`
	// LastWithRows is, when this update moved no rows, the latest earlier one that did.
	LastWithRows string `json:"last_update_with_rows,omitempty"`
	// Idle counts the updates after this one that completed and found nothing new.
	Idle int `json:"idle_updates_since,omitempty"`
}

// Totals are sums over the tables of a report.
type Totals struct {
	Flow
	// Checks is rows times rules. A batch that stopped the update was checked, though none of its rows were published.
	Checks       int64   `json:"checks"`
	FailedChecks int64   `json:"failed_checks"`
	PassPercent  float64 `json:"pass_percent"` // of the checks; 100 when there were none
}

// Table is one table's part of a report.
type Table struct {
	Name   string `json:"name"`
	Status string `json:"status"` // of its last flow: COMPLETED, SKIPPED, FAILED, RUNNING
	Mode   string `json:"mode"`   // append, replace, or empty when nothing was committed
	// Refused is true when a batch of this table stopped the update: its rules are counted, its rows are not.
	Refused bool         `json:"refused"`
	Rules   []RuleResult `json:"expectations"`
	Flows   []Flow       `json:"flows"`
}

// RuleResult is one rule's line of a report.
type RuleResult struct {
	Name          string  `json:"name"`
	Action        string  `json:"action"`
	Expression    string  `json:"expression"`
	Passed        int64   `json:"passed_records"`
	Failed        int64   `json:"failed_records"`
	FailedPercent float64 `json:"failed_percent"`
	// Trend ends with this update; updates that did not evaluate the rule on any row are left out.
	Trend []Point `json:"trend"`
}

// Point is a rule's outcome in one update.
type Point struct {
	UpdateID      string    `json:"update_id"`
	Started       time.Time `json:"started"`
	Records       int64     `json:"records"`
	FailedPercent float64   `json:"failed_percent"`
}

// Flow is the row accounting of one flow over the committed batches of an update; of a table in replace mode, of the
// last refresh.
type Flow struct {
	Name         string `json:"name,omitempty"`
	Batches      int64  `json:"batches"`
	InputFiles   int64  `json:"input_files"`
	InputBytes   int64  `json:"input_bytes"`
	Unreadable   int64  `json:"unreadable_records"`
	QueryRows    int64  `json:"query_rows"`
	Written      int64  `json:"written_records"`
	DeadLettered int64  `json:"quarantined_records"`
	Discarded    int64  `json:"discarded_records"`
	// Changes is set for rows that are changes, applied by key: where those went that were neither dead-lettered nor
	// discarded.
	Changes *schemas.ChangeCounts `json:"changes,omitempty"`
	// Balances is true when every batch's query rows are written, dead-lettered or discarded; changes, when they are
	// applied, superseded, ignored, dead-lettered or discarded.
	Balances bool `json:"balances"`
}

// Kept are the rows of the query that were written, or applied where they are changes.
func (f Flow) Kept() int64 {
	if f.Changes != nil {
		return f.Changes.Applied
	}
	return f.Written
}

// Changing reports whether the rows of any flow are changes, applied by key.
func (r *Report) Changing() bool {
	for _, t := range r.Tables {
		for _, f := range t.Flows {
			if c := f.Changes; c != nil && c.Superseded+c.Ignored > 0 {
				return true
			}
		}
	}
	return false
}

// Superseded are the changes that made no difference: newer ones were there, or the same.
func (f Flow) Superseded() int64 {
	if f.Changes != nil {
		return f.Changes.Superseded + f.Changes.Ignored
	}
	return 0
}

// Build makes the report of an update from all rows of a pipeline's event_log, in any order. The update is named by its
// id or the beginning of it; empty means the latest that did something, or failed. The error says what to do when there
// is no such update, or several. The report's DeadLetters are for the caller to fill in: DeadLettersSQL reads them.
func Build(events []schemas.Event, update string) (*Report, error) {
	updates := groupUpdates(events)
	at, err := selectUpdate(updates, update)
	if err != nil {
		return nil, err
	}
	idle := 0
	if update == "" {
		if idle, err = countIdle(updates); err != nil {
			return nil, err
		}
		at -= idle
	}
	trend := updates[max(0, at+1-TrendUpdates) : at+1]
	figures := make([]*figures, len(trend))
	for i, u := range trend {
		if figures[i], err = u.figures(); err != nil {
			return nil, err
		}
	}
	chosen, u := figures[len(figures)-1], trend[len(trend)-1]
	r := &Report{Pipeline: u.pipeline, UpdateID: u.id, Status: u.status(), Error: u.failure(), Started: u.started(),
		DurationMS: u.ended().Sub(u.started()).Milliseconds(), Tables: chosen.tables(), DeadLetters: []DeadLetters{}, Idle: idle}
	if !terminal(r.Status) && at < len(updates)-1 {
		r.Status = "INTERRUPTED"
	}
	for i := range r.Tables {
		for k := range r.Tables[i].Rules {
			rule := &r.Tables[i].Rules[k]
			rule.Trend = ruleTrend(trend, figures, r.Tables[i].Name, rule.Name)
		}
	}
	r.Totals = totals(r.Tables)
	if r.Totals.QueryRows+r.Totals.Unreadable+r.Totals.Checks == 0 {
		r.LastWithRows, err = lastWithRows(updates[:at])
	}
	return r, err
}

func selectUpdate(updates []*update, id string) (int, error) {
	if len(updates) == 0 {
		return 0, errors.New("the pipeline has no updates yet; start one with lakeflow run")
	}
	if id == "" {
		return len(updates) - 1, nil
	}
	var found []int
	for i, u := range updates {
		if u.id == id {
			return i, nil
		}
		if strings.HasPrefix(u.id, id) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 0:
		return 0, fmt.Errorf("no update's id begins with %q; the latest are %s", id, latestIDs(updates))
	case 1:
		return found[0], nil
	}
	var several []*update
	for _, i := range found {
		several = append(several, updates[i])
	}
	return 0, fmt.Errorf("%d updates' ids begin with %q; write more of the id: the latest are %s", len(found), id, latestIDs(several))
}

func latestIDs(updates []*update) string {
	var ids []string
	for _, u := range slices.Backward(updates[max(0, len(updates)-5):]) {
		ids = append(ids, u.id)
	}
	return strings.Join(ids, ", ")
}

func lastWithRows(updates []*update) (string, error) {
	for _, u := range slices.Backward(updates) {
		if moved, err := u.movedRows(); moved || err != nil {
			return u.id, err
		}
	}
	return "", nil
}

// countIdle counts the last updates that completed and moved no rows. Where no other one did anything, there are none.
func countIdle(updates []*update) (n int, err error) {
	for _, u := range slices.Backward(updates) {
		moved, err := u.movedRows()
		if err != nil {
			return 0, err
		}
		if moved || u.status() != "COMPLETED" {
			return n, nil
		}
		n++
	}
	return 0, nil
}

func (u *update) movedRows() (bool, error) {
	f, err := u.figures()
	if err != nil {
		return false, err
	}
	t := totals(f.tables())
	return t.QueryRows+t.Unreadable+t.Checks > 0, nil
}

func ruleTrend(updates []*update, all []*figures, table, rule string) []Point {
	points := []Point{}
	for i, f := range all {
		t := f.byTable[table]
		if t == nil {
			continue
		}
		for _, x := range t.rules() {
			if x.Name == rule && x.Passed+x.Failed > 0 {
				points = append(points, Point{UpdateID: updates[i].id, Started: updates[i].started(),
					Records: x.Passed + x.Failed, FailedPercent: x.FailedPercent})
			}
		}
	}
	return points
}

func totals(tables []Table) Totals {
	sum := Totals{Flow: Flow{Balances: true}, PassPercent: 100}
	for _, t := range tables {
		for _, f := range t.Flows {
			sum.Flow = sum.Flow.plus(f)
		}
		for _, r := range t.Rules {
			sum.Checks += r.Passed + r.Failed
			sum.FailedChecks += r.Failed
		}
	}
	if sum.Checks > 0 {
		sum.PassPercent = percent(sum.Checks-sum.FailedChecks, sum.Checks)
	}
	return sum
}

func (f Flow) plus(g Flow) Flow {
	f.Batches += g.Batches
	f.InputFiles += g.InputFiles
	f.InputBytes += g.InputBytes
	f.Unreadable += g.Unreadable
	f.QueryRows += g.QueryRows
	f.Written += g.Written
	f.DeadLettered += g.DeadLettered
	f.Discarded += g.Discarded
	f.Changes = f.Changes.Plus(g.Changes)
	f.Balances = f.Balances && g.Balances
	return f
}

func percent(part, whole int64) float64 {
	if whole == 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// JSON writes the report as one indented JSON document.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("write the report as JSON: %w", err)
	}
	return nil
}
