package project

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/schemas"
)

// inputFile is one file of a source.
type inputFile struct {
	name    string // below data
	content []byte
}

// randomFiles makes a few hundred records of two sources and cuts them into files, which are in the order in which they
// arrive.
func randomFiles(rng *rand.Rand) []inputFile {
	orders := cut(rng, randomRecords(rng, 100+rng.IntN(200), randomOrder))
	returns := cut(rng, randomRecords(rng, 20+rng.IntN(60), randomReturn))
	var files []inputFile
	for i, lines := range orders {
		f := inputFile{fmt.Sprintf("orders/%03d.json", rng.IntN(1000)*100+i), []byte(strings.Join(lines, ""))}
		switch rng.IntN(10) {
		case 0, 1:
			f = inputFile{f.name + ".gz", zipped(f.content)}
		case 2:
			f.content = array(lines)
		case 3:
			f.content = []byte(strings.ReplaceAll("\n"+string(f.content)+"\n", "\n", "\r\n"))
		}
		files = append(files, f)
	}
	for i, lines := range returns {
		files = append(files, inputFile{fmt.Sprintf("returns/%d/%03d.csv", rng.IntN(2), i), []byte("id,k,amount\n" + strings.Join(lines, ""))})
	}
	if rng.IntN(3) == 0 {
		whole := zipped([]byte(strings.Join(returns[0], "")))
		files = append(files, inputFile{"orders/cut.json.gz", whole[:len(whole)/2]}, inputFile{"orders/empty.json", nil}, inputFile{"returns/header.csv", []byte("id,k,amount\n")})
	}
	rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	return files
}

// randomRecords has lines with everything that can happen to a record, duplicates among them.
func randomRecords(rng *rand.Rand, n int, record func(*rand.Rand, int) string) []string {
	var lines []string
	for i := range n {
		lines = append(lines, record(rng, i))
		if rng.IntN(20) == 0 {
			lines = append(lines, lines[rng.IntN(len(lines))])
		}
	}
	return lines
}

// randomOrder is a line of JSON. The later ones have more columns.
func randomOrder(rng *rand.Rand, i int) string {
	k := string("abcde"[rng.IntN(5)])
	switch rng.IntN(30) {
	case 0:
		return fmt.Sprintf("{\"id\":%d,\"k\":\"%s\",\"amount\":\n", i, k)
	case 1:
		return fmt.Sprintf("{\"id\":%d,\"k\":\"%s\",\"amount\":\"many\"}\n", i, k)
	case 2:
		return fmt.Sprintf("{\"id\":null,\"k\":\"%s\",\"amount\":%d}\n", k, rng.IntN(100))
	case 3:
		return "not json at all\n"
	case 4:
		return fmt.Sprintf("{\"id\":%d,\"k\":null,\"amount\":%d}\n", i, rng.IntN(100))
	}
	more := ""
	if i > 60 && rng.IntN(3) == 0 {
		more += fmt.Sprintf(",\"note\":\"n%d é\"", rng.IntN(5))
	}
	if i > 90 && rng.IntN(3) == 0 {
		more += fmt.Sprintf(",\"place\":{\"x\":%d,\"tags\":[\"t%d\"]}", rng.IntN(9), rng.IntN(3))
	}
	return fmt.Sprintf("{\"id\":%d,\"k\":\"%s\",\"amount\":%d%s}\n", i, k, rng.IntN(100)-5, more)
}

// randomReturn is a line of CSV.
func randomReturn(rng *rand.Rand, i int) string {
	k := string("abcde"[rng.IntN(5)])
	switch rng.IntN(25) {
	case 0:
		return fmt.Sprintf("%d,%s,several\n", i, k)
	case 1:
		return fmt.Sprintf(",%s,%d\n", k, rng.IntN(100))
	case 2:
		return fmt.Sprintf("%d,\"%s, quoted\",%d\n", i, k, rng.IntN(100))
	}
	return fmt.Sprintf("%d,%s,%d\n", i, k, rng.IntN(100))
}

// cut divides lines into files of random length.
func cut(rng *rand.Rand, lines []string) [][]string {
	var files [][]string
	most := 5 + rng.IntN(60)
	for len(lines) > 0 {
		n := min(len(lines), 1+rng.IntN(most))
		files = append(files, lines[:n])
		lines = lines[n:]
	}
	return files
}

// array is a file of one JSON array, of the lines that are JSON.
func array(lines []string) []byte {
	valid := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !json.Valid([]byte(line)) })
	return []byte("[" + strings.Join(valid, ",") + "]")
}

func zipped(content []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(content) // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// read returns every table's rows as sorted texts, and as "accounting" the sums of the event log's figures.
func (h *history) read(dir string) map[string][]string {
	h.t.Helper()
	var query strings.Builder
	for _, name := range append(propertyTables, "dead_letter") {
		fmt.Fprintf(&query, "SELECT '%[1]s' AS name, CAST(to_json(x) AS VARCHAR) AS text FROM %[1]s x UNION ALL ", name)
	}
	query.WriteString(`SELECT 'event_log', CAST(to_json({'dataset': origin.dataset_name, 'flow': origin.flow_name, 'details': details}) AS VARCHAR)
		FROM event_log WHERE event_type = 'flow_progress'`)
	p := mustOpen(h.t, filepath.Join(dir, "pipeline.yaml"), Options{})
	rows := map[string][]string{}
	var events []progress
	for _, row := range read(h.t, p, query.String()) {
		name, text, _ := strings.Cut(row, ",")
		switch name {
		case "event_log":
			var e progress
			decode(h, text, &e)
			events = append(events, e)
		case "dead_letter":
			rows[name] = append(rows[name], h.deadLetter(dir, text))
		default:
			rows[name] = append(rows[name], h.canonical(text))
		}
	}
	rows["accounting"] = accounting(h, events)
	for _, r := range rows {
		slices.Sort(r)
	}
	return rows
}

func decode(h *history, text string, to any) {
	h.t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
}

// canonical is a row without regard to the order of its columns, and without those that are NULL: a dead letter knows
// only the columns that there were at its time.
func (h *history) canonical(text string) string {
	var row any
	decode(h, text, &row)
	return encode(withoutNulls(row))
}

func encode(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return string(text)
}

func withoutNulls(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for k, x := range object {
		if object[k] = withoutNulls(x); x == nil {
			delete(object, k)
		}
	}
	return object
}

// deadLetter keeps what does not depend on the update and the batch.
func (h *history) deadLetter(dir, text string) string {
	var l struct {
		Table, Flow, Error, Row, Raw, Source, File, Status string
		Violated                                           []struct{ Name, Expression, Action string }
		Line, Offset                                       *int64
	}
	decode(h, text, &l)
	if l.Row != "" {
		l.Row = h.canonical(l.Row)
	}
	l.Error = strings.ReplaceAll(l.Error, dir, "")
	l.File = strings.TrimPrefix(l.File, dir)
	return encode(l)
}

// progress is a flow_progress event.
type progress struct {
	Dataset, Flow string
	Details       string
}

// figures are sums over the batches of a flow.
type figures struct {
	Table, Flow                                                    string
	Files, Unreadable, QueryRows, Written, DeadLettered, Discarded int64
	Rules                                                          map[string][2]int64 // passed, failed
}

// accounting sums up the figures of every flow since its table was last replaced.
func accounting(h *history, events []progress) []string {
	replaced := map[string]int64{}
	details := make([]schemas.FlowProgress, len(events))
	for i, e := range events {
		var d map[string]schemas.FlowProgress
		decode(h, e.Details, &d)
		details[i] = d["flow_progress"]
		if a := details[i].Lakeflow; a != nil && a.Mode == "replace" {
			replaced[e.Dataset] = max(replaced[e.Dataset], a.Commit)
		}
	}
	sums := map[string]*figures{}
	for i, e := range events {
		a := details[i].Lakeflow
		if a == nil || a.Commit < replaced[e.Dataset] {
			continue
		}
		f := sums[e.Dataset+"."+e.Flow]
		if f == nil {
			f = &figures{Table: e.Dataset, Flow: e.Flow, Rules: map[string][2]int64{}}
			sums[e.Dataset+"."+e.Flow] = f
		}
		f.add(a, details[i].DataQuality)
	}
	var texts []string
	for _, f := range sums {
		texts = append(texts, encode(f))
	}
	return texts
}

func (f *figures) add(a *schemas.Accounting, q *schemas.DataQuality) {
	switch f.Table {
	case "bronze_orders", "bronze_returns", "ids": // others read files of tables, as many as there were batches
		f.Files += a.InputFiles
	}
	f.Unreadable += a.Unreadable
	f.QueryRows += a.QueryRows
	f.Written += a.Written
	f.DeadLettered += a.DeadLettered
	f.Discarded += a.Discarded
	if c := a.Changes; c != nil { // how often a row of a view was replaced depends on the batches
		f.QueryRows, f.Written = f.QueryRows-c.Removed, f.Written-c.Removed
	}
	for _, r := range q.Expectations {
		sum := f.Rules[r.Name]
		f.Rules[r.Name] = [2]int64{sum[0] + r.Passed, sum[1] + r.Failed}
	}
}
