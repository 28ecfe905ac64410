// Package audit recounts what a pipeline has stored and compares it with what every commit said that it wrote: the rows
// of the data files, the dead letters, Iceberg's own counts, and the row accounting in the event log. It only reads.
package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/engine/duck"
	"github.com/lakeflow/lakeflow/engine/duckerr"
	"github.com/lakeflow/lakeflow/engine/ledger"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sinks/lake"
	"github.com/lakeflow/lakeflow/sources"
)

// eventLog is the table that holds the accounting.
const eventLog = "event_log"

// Input is what an audit reads. The caller owns everything in it.
type Input struct {
	Pipeline string
	// State names the commit that is audited. Commits that an update publishes meanwhile are left out.
	State *lake.State
	Lake  lake.Reader
	DB    *duck.DB
	// DeadLetter is the dead-letter table that the pipeline declares now.
	DeadLetter string
	// Tables are the declared tables, in the order in which to report them.
	Tables []string
	// Verify tells whether the marks of a source belong to a position; *sources.LedgerError when they do not.
	Verify func(ctx context.Context, at sources.Position, marks sources.Ledger) error
	// Deep reads every byte of the data files, where otherwise their footers are read.
	Deep bool
	// Recompute says how rows come about, to compute and compare them; nil: they are only counted.
	Recompute *Recompute
	Again     string // the command line that starts an update of the pipeline: remedies begin with it
}

// Report is the outcome of an audit. Its JSON field names are stable.
type Report struct {
	Pipeline string `json:"pipeline"`
	Commit   int64  `json:"commit"` // the last one that was audited
	OK       bool   `json:"ok"`
	Deep     bool   `json:"deep,omitempty"`
	// NotRecomputed says why no table was computed again although that was asked for.
	NotRecomputed string  `json:"not_recomputed,omitempty"`
	Tables        []Table `json:"tables"`
}

// Table is the outcome for one table.
type Table struct {
	Name        string    `json:"table"`
	Commits     int       `json:"commits"`      // that were compared
	Rows        int64     `json:"rows"`         // counted in the files of the last version
	DeadLetters int64     `json:"dead_letters"` // of the table, without samples of failed updates
	Files       int       `json:"files"`        // of the last version
	Findings    []Finding `json:"findings"`
	// Recomputed is what was computed again and compared: "rules", "rows". Skipped says what could not be, and why.
	Recomputed []string  `json:"recomputed,omitempty"`
	Skipped    []Skipped `json:"not_recomputed,omitempty"`
}

// Skipped is something that could not be computed again, which is no finding.
type Skipped struct {
	What string `json:"what"` // rules, rows
	Why  string `json:"why"`
}

// Finding is one thing that does not agree.
type Finding struct {
	Table    string `json:"table"`
	Commit   int64  `json:"commit,omitempty"` // 0: not about one commit
	Check    string `json:"check"`            // a stable word, one of the constants below
	Expected int64  `json:"expected"`         // rows, unless Message says otherwise
	Found    int64  `json:"found"`
	File     string `json:"file,omitempty"`
	Message  string `json:"message"`
	Remedy   string `json:"remedy"`
}

// The checks.
const (
	CheckFile        = "file"         // a data file is missing, damaged or not the one that was written
	CheckRows        = "rows"         // the rows that a commit added
	CheckTotal       = "total"        // the rows that the table has
	CheckIceberg     = "iceberg"      // the counts in Iceberg's snapshot summaries
	CheckDeadLetters = "dead_letters" // the dead letters of a commit
	CheckBalance     = "balance"      // query rows = written + dead-lettered + discarded
	CheckRule        = "rule"         // passed + failed = query rows
	CheckForeign     = "foreign"      // another program wrote to the table
	CheckBooks       = "accounting"   // a commit without accounting, or accounting that cannot be read
	CheckTable       = "table"        // the table is gone, was rolled back or cannot be read
	CheckInput       = "input"        // what a flow read of the tables that it streams from
	CheckLedger      = "ledger"       // which files were read
	CheckCatalog     = "catalog"      // what the catalog keeps of a table
	CheckRecompute   = "recompute"    // rows that a rule forbids, or that are not what the query gives
)

// Run audits everything up to the commit of in.State. What does not agree is in the report; an error means that the
// audit itself could not be made; it is lake.ErrExpired when an update has expired what in.State names.
func Run(ctx context.Context, in Input) (*Report, error) {
	a := &auditor{Input: in, tables: map[string]*Table{}, loaded: map[string]*stored{}}
	if in.State.Commit == 0 {
		return &Report{Pipeline: in.Pipeline, OK: true, Tables: []Table{}}, nil
	}
	if err := a.loadAll(ctx); err != nil {
		return nil, err
	}
	log := a.read(ctx, eventLog)
	a.checkLog(log)
	accounting, err := a.accounting(ctx, log)
	if err != nil {
		return nil, err
	}
	letters, err := a.letters(ctx, accounting)
	if err != nil {
		return nil, err
	}
	for _, name := range a.names(accounting) {
		t := a.read(ctx, name)
		a.checkCounts(t)
		if accounting != nil {
			a.checkAccounting(t, accounting[name])
			a.checkLetters(name, accounting[name], letters)
			a.checkInputs(name, accounting)
		}
	}
	if err := a.checkLedger(ctx); err != nil {
		return nil, err
	}
	for _, name := range a.states() {
		a.checkCounts(a.read(ctx, name))
	}
	if err := a.checkComputed(ctx, accounting); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil { // what it interrupted looks like damage
		return nil, err
	}
	return a.report(accounting), nil
}

type auditor struct {
	Input
	tables  map[string]*Table
	loaded  map[string]*stored
	keepers []string // the dead-letter tables that exist
}

// names lists the pipeline's own tables that are stored or were written once: the declared ones first.
func (a *auditor) names(accounting map[string]tableAccounting) []string {
	var names []string
	for _, name := range a.Tables {
		if _, stored := a.State.Tables[name]; stored || accounting[name] != nil {
			names = append(names, name)
		}
	}
	others := slices.Collect(maps.Keys(accounting))
	for name, t := range a.State.Tables {
		if t.Commit > 0 && name != eventLog && !schemas.Hidden(name) && !slices.Contains(a.keepers, name) {
			others = append(others, name)
		}
	}
	slices.Sort(others)
	for _, name := range others {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func (a *auditor) report(accounting map[string]tableAccounting) *Report {
	r := &Report{Pipeline: a.Pipeline, Commit: a.State.Commit, OK: true, Deep: a.Deep}
	if a.Recompute != nil {
		r.NotRecomputed = a.Recompute.Why
	}
	for _, name := range slices.Concat(a.names(accounting), a.keepers, a.hidden(), []string{eventLog}) {
		a.checkRecorded(name)
		t := *a.table(name)
		slices.SortStableFunc(t.Findings, func(x, y Finding) int { return int(x.Commit - y.Commit) })
		r.OK = r.OK && len(t.Findings) == 0
		r.Tables = append(r.Tables, t)
	}
	return r
}

func (a *auditor) table(name string) *Table {
	t := a.tables[name]
	if t == nil {
		t = &Table{Name: name, Findings: []Finding{}}
		a.tables[name] = t
	}
	return t
}

func (a *auditor) find(f Finding) {
	t := a.table(f.Table)
	t.Findings = append(t.Findings, f)
}

// restore is the remedy for lost or altered files.
func (a *auditor) restore(table string) string {
	if table == eventLog || table == ledger.Table || slices.Contains(a.keepers, table) {
		return "restore the warehouse from a backup"
	}
	return fmt.Sprintf("restore the file from a backup, or recompute the table: %s", a.refresh(table))
}

// recompute is the remedy for counts that disagree although every file is as it was written.
func (a *auditor) recompute(table string) string {
	return fmt.Sprintf("recompute the table: %s; if nothing but lakeflow wrote to the warehouse, please report this", a.refresh(table))
}

// refresh is the command that computes a table from the beginning; a hidden one, with the one that it belongs to.
func (a *auditor) refresh(table string) string {
	return a.Again + " --full-refresh " + schemas.Owner(table)
}

// states are the hidden tables in which others keep what they must remember.
func (a *auditor) states() (names []string) {
	for name, t := range a.State.Tables {
		if schemas.Hidden(name) && name != ledger.Table && t.Commit > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// stored is a table as it was found.
type stored struct {
	name string
	// history are the snapshots up to the audited commit, oldest first. It is nil, with broken, when the table is gone
	// or cannot be read.
	history []lake.Snapshot
	head    *lake.Contents
	broken  bool
	err     error             // why it cannot be read
	counted map[string]int64  // rows by file; a file that cannot be read has none
	trouble map[string]string // what is wrong with a file, by path
	bytes   map[string]int64  // recorded size by file of the head
	rows    map[string]int64  // recorded rows by file of the head
	removed int64             // rows of the head's files that are named as removed
}

// loadAll reads what the tables consist of, before the counting, which takes long: an update that runs meanwhile drops
// old snapshots.
func (a *auditor) loadAll(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(a.State.Tables)) {
		t := &stored{name: name, counted: map[string]int64{}, trouble: map[string]string{}, bytes: map[string]int64{}, rows: map[string]int64{}, head: &lake.Contents{}}
		t.err = a.load(ctx, t)
		if errors.Is(t.err, lake.ErrExpired) || t.err == nil && len(t.history) == 0 && a.State.Tables[name].Commit > 0 {
			return fmt.Errorf("an update that runs beside the audit has dropped the snapshot of commit %d of table %s: %w; run the audit again, or raise retention.snapshots",
				a.State.Commit, name, lake.ErrExpired)
		}
		a.loaded[name] = t
	}
	return ctx.Err()
}

// read gives a table's history and its last version, and counts the rows of all files. Trouble becomes findings.
func (a *auditor) read(ctx context.Context, name string) *stored {
	t := a.loaded[name]
	if t != nil && t.err == nil {
		a.checkCatalog(ctx, name)
	}
	if t == nil {
		a.find(Finding{Table: name, Check: CheckTable, Message: "the table is gone from the catalog", Remedy: "restore the warehouse from a backup"})
		return &stored{name: name, broken: true, head: &lake.Contents{}}
	}
	if t.err != nil {
		t.broken = true
		message, remedy := duckerr.Text(t.err), a.restore(name)
		if i := strings.LastIndex(message, "; "); i >= 0 { // the lake knows better what to do
			message, remedy = message[:i], message[i+len("; "):]
		}
		a.find(Finding{Table: name, Check: CheckTable, Message: message, Remedy: remedy})
		return t
	}
	a.count(ctx, t)
	return t
}

// load reads the snapshots and files of the audited state.
func (a *auditor) load(ctx context.Context, t *stored) error {
	history, err := a.Lake.History(ctx, t.name)
	if err != nil {
		return err
	}
	if later := slices.IndexFunc(history, func(s lake.Snapshot) bool { return s.Commit > a.State.Commit }); later >= 0 {
		history = history[:later]
	}
	t.history = history
	if len(history) == 0 {
		return nil
	}
	head, err := a.Lake.Files(ctx, t.name, lake.Version{Snapshot: history[len(history)-1].ID})
	if errors.Is(err, lake.ErrNoTable) {
		return nil
	}
	if err != nil {
		return err
	}
	t.head = head
	for _, f := range slices.Concat(head.Files, head.Deletes) {
		t.bytes[f.Path], t.rows[f.Path] = f.Bytes, f.Rows
	}
	return nil
}

// files are all files of the table that some version needs.
func (t *stored) files() []string {
	seen := map[string]bool{}
	var paths []string
	add := func(path string) {
		if !seen[path] {
			seen[path] = true
			paths = append(paths, path)
		}
	}
	for _, s := range t.history {
		for _, path := range s.Added {
			add(path)
		}
	}
	for _, f := range slices.Concat(t.head.Files, t.head.Deletes) {
		add(f.Path)
	}
	return paths
}

// writer is the commit that added a file, 0 when it is not known.
func (t *stored) writer(path string) int64 {
	for _, s := range t.history {
		if slices.Contains(s.Added, path) {
			return s.Commit
		}
	}
	return 0
}
