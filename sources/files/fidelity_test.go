package files

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lakeflow/lakeflow/sources"
)

// cell is a line of testdata/fidelity.txt.
type cell struct {
	line              int
	format, mode, typ string
	values, want      []string // several, divided by ¦, in inferred cells only
}

// TestFidelity expects every value of testdata/fidelity.txt to be stored as it was written, or to be set aside.
func TestFidelity(t *testing.T) {
	b := newBed(t)
	groups, names := map[string][]cell{}, []string(nil)
	for _, c := range readCells(t) {
		name := c.format + " " + c.mode
		if c.mode != "inferred" {
			name += " " + c.typ
		}
		if groups[name] == nil {
			names = append(names, name)
		}
		groups[name] = append(groups[name], c)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			cells := groups[name]
			if cells[0].mode != "inferred" {
				checkCells(t, b, cells)
				return
			}
			for _, c := range cells { // each has a source of its own
				checkCells(t, b, []cell{c})
			}
		})
	}
}

var cellLine = regexp.MustCompile("^(\\w+) +(\\w+) +(\\S.*?) +`(.*)` +(\\S.*)$")

// readCells reads the lines that are not empty and no comments.
func readCells(t *testing.T) []cell {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "fidelity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	controls := strings.NewReplacer("␤", "\n", "␉", "\t")
	var cells []cell
	seen := map[string]int{}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		m := cellLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("fidelity.txt:%d: no cell: %s", i+1, line)
		}
		c := cell{i + 1, m[1], m[2], m[3], []string{controls.Replace(m[4])}, []string{controls.Replace(m[5])}}
		if c.mode == "inferred" {
			c.values, c.want = strings.Split(c.values[0], " ¦ "), strings.Split(c.want[0], " ¦ ")
		}
		key := strings.Join([]string{c.format, c.mode, c.typ, m[4]}, "\x00")
		if len(c.values) != len(c.want) || seen[key] > 0 {
			t.Fatalf("fidelity.txt:%d: values without outcomes, or the same as line %d: %s", c.line, seen[key], line)
		}
		seen[key] = c.line
		cells = append(cells, c)
	}
	return cells
}

// checkCells reads the values of all cells with one source: each from a file of its own, and all from as few files as can hold them.
func checkCells(t *testing.T, b *bed, cells []cell) {
	t.Helper()
	first := cells[0]
	l := load{bed: b, format: first.format, mode: first.mode, typ: first.typ}
	for _, c := range cells {
		l.values = append(l.values, c.values...)
	}
	for _, apart := range []bool{true, false} {
		if !apart && len(l.values) == 1 {
			break
		}
		l.apart = apart
		typ, got, err := l.read(t)
		if err == nil && typ != first.typ {
			err = fmt.Errorf("the column is %s", typ)
		}
		if err != nil {
			t.Errorf("fidelity.txt:%d: %s %s %s, %s: %v", first.line, first.format, first.mode, first.typ, l.layout(), err)
		}
		if got == nil {
			continue
		}
		for _, c := range cells {
			for i, want := range c.want {
				if o := got[i]; o.text != want {
					t.Errorf("fidelity.txt:%d: %s %s %s `%s`, %s: %s, want %s", c.line, c.format, c.mode, c.typ, c.values[i], l.layout(), o, want)
				}
			}
			got = got[len(c.want):]
		}
	}
}

// outcome is what became of a value: "= text", "NULL", "dead" or "rescued text".
type outcome struct{ text, reason string }

func (o outcome) String() string {
	if o.reason == "" {
		return o.text
	}
	return o.text + " (" + o.reason + ")"
}

// load are values of the column v that a source reads in one batch.
type load struct {
	bed               *bed
	format, mode, typ string
	values            []string
	apart             bool // a file for each value
}

func (l load) layout() string {
	if l.apart {
		return "a file each"
	}
	return "together"
}

// seeds are values that make a source remember a column's type. For Parquet it is NULL of the type.
var seeds = map[string]string{
	"csv BIGINT": `1`, "csv DECIMAL(38,0)": `99999999999999999999`, "csv DOUBLE": `0.5`, "csv BOOLEAN": `true`, "csv DATE": `2024-01-01`,
	"csv TIMESTAMP": `2024-01-01T10:00:00`, "csv TIMESTAMP WITH TIME ZONE": `2024-01-01T10:00:00Z`, "csv VARCHAR": `x`,
	"json BIGINT": `1`, "json DECIMAL(38,0)": `99999999999999999999`, "json DOUBLE": `0.5`, "json BOOLEAN": `true`, "json DATE": `"2024-01-01"`,
	"json TIMESTAMP": `"2024-01-01T10:00:00"`, "json TIMESTAMP WITH TIME ZONE": `"2024-01-01T10:00:00Z"`, "json VARCHAR": `"x"`,
	"json BIGINT[]": `[1]`, "json STRUCT(a BIGINT)": `{"a":1}`,
}

// read returns the type of v and what became of each value.
func (l load) read(t *testing.T) (typ string, got []outcome, err error) {
	dir := fmt.Sprintf("%s/%d", l.bed.dir, l.bed.clock.UnixNano())
	config := Config{Path: dir, Format: l.format, MaxFiles: 10000}
	if l.format == "csv" {
		header, quote := true, `"`
		config.CSV = CSV{Header: &header, Delimiter: ",", Quote: &quote, Escape: &quote}
	}
	if l.mode == "rescue" {
		config.Evolution = Rescue
	}
	if l.mode == "declared" || l.mode == "rescue" {
		config.Hints = []Hint{{"id", "BIGINT"}, {"v", l.typ}}
	}
	s, err := New(config)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l.bed.pos, l.bed.marks = nil, map[string]string{}
	if l.mode == "remembered" {
		seed := seeds[l.format+" "+l.typ]
		if l.format == "parquet" {
			seed = "CAST(NULL AS " + l.typ + ")"
		}
		first := load{bed: l.bed, format: l.format, values: []string{seed}, apart: true}
		first.write(dir, "seed")
		if _, _, err := first.batch(s, nil); err != nil {
			return "", nil, fmt.Errorf("remember the type: %w", err)
		}
	}
	return l.batch(s, l.write(dir, "v"))
}

// place is where a record stands.
type place struct {
	file string
	line int64
}

// write puts the values into files whose names begin with prefix, and returns where each stands.
func (l load) write(dir, prefix string) map[place]int {
	places := map[place]int{}
	files, order := map[string][]string{}, []string(nil)
	for i, v := range l.values {
		name := prefix
		if l.apart {
			name = fmt.Sprintf("%s%04d", prefix, i)
		} else if l.format == "parquet" {
			name += strings.Trim(regexp.MustCompile(`\W+`).ReplaceAllString(v[strings.LastIndex(v, "::")+2:], "_"), "_")
		}
		name += "." + l.format
		if files[name] == nil {
			order = append(order, name)
		}
		record := map[string]string{"csv": "%d,%s\n", "json": `{"id":%d,"v":%s}` + "\n", "parquet": "SELECT CAST(%d AS BIGINT) AS id, %s AS v"}[l.format]
		files[name] = append(files[name], fmt.Sprintf(record, i, v))
		at := int64(len(files[name]))
		if l.format == "csv" {
			at = int64(1 + strings.Count("\n"+strings.Join(files[name][:at-1], ""), "\n"))
		}
		places[place{name, at}] = i
	}
	for _, name := range order {
		content := strings.Join(files[name], "")
		switch l.format {
		case "csv":
			content = "id,v\n" + content
		case "parquet":
			content = ""
		}
		path := l.bed.put(strings.TrimPrefix(dir, l.bed.dir+"/")+"/"+name, content)
		if l.format == "parquet" {
			l.bed.must("COPY (" + strings.Join(files[name], " UNION ALL ") + ") TO " + literal(path) + " (FORMAT parquet)")
		}
	}
	return places
}

// batch reads the next batch and commits it.
func (l load) batch(s *Source, places map[place]int) (typ string, got []outcome, err error) {
	ctx, b := context.Background(), l.bed
	batch, err := s.Next(ctx, b.session, b.pos, b.marks)
	if err != nil {
		return "", nil, err
	}
	if batch == nil {
		return "", nil, errors.New("there is no batch")
	}
	got = make([]outcome, len(l.values))
	err = l.rows(batch, got)
	for repairs := 0; err != nil && repairs < 5; repairs++ {
		repaired, rerr := batch.Repair(ctx, b.session, err)
		if rerr != nil || !repaired {
			return "", nil, errors.Join(fmt.Errorf("not repaired: %w", err), rerr)
		}
		clear(got)
		err = l.rows(batch, got)
	}
	if err == nil {
		err = l.dead(batch, places, got)
	}
	for i, o := range got {
		if o.text == "" {
			got[i].text = "neither a row nor a dead letter"
		}
	}
	if c := batch.Columns.Column("v"); c != nil {
		typ = c.Type.String()
	}
	b.commit(batch)
	return typ, got, err
}

// rows fills in what became of the values that are in rows.
func (l load) rows(batch *sources.Batch, got []outcome) error {
	if batch.Relation == "" {
		return nil
	}
	rescued := "NULL"
	if batch.Columns.Column("_rescued_data") != nil {
		rescued = "CAST(_rescued_data AS JSON) ->> 'v'"
	}
	return l.each("SELECT id, CAST(v AS VARCHAR), "+rescued+" FROM "+batch.Relation, func(rows *sql.Rows) error {
		var id int
		var v, rest sql.NullString
		if err := rows.Scan(&id, &v, &rest); err != nil {
			return err
		}
		text := "= " + v.String
		switch {
		case rest.Valid && v.Valid:
			text += " and rescued " + rest.String
		case rest.Valid:
			text = "rescued " + rest.String
		case !v.Valid:
			text = "NULL"
		}
		if got[id].text != "" {
			text = got[id].text + " and " + text
		}
		got[id].text = strings.TrimSuffix(text, " ")
		return nil
	})
}

// dead fills in what became of the values that are in dead letters.
func (l load) dead(batch *sources.Batch, places map[place]int, got []outcome) error {
	if batch.RejectCount == 0 {
		return nil
	}
	return l.each("SELECT parse_filename(file), line, reason FROM "+batch.Rejects, func(rows *sql.Rows) error {
		var at place
		var reason string
		if err := rows.Scan(&at.file, &at.line, &reason); err != nil {
			return err
		}
		id, ok := places[at]
		if at.line == 0 && l.apart { // the file is the record
			_, err := fmt.Sscanf(at.file, "v%d.", &id)
			ok = err == nil
		}
		if !ok {
			return fmt.Errorf("a dead letter that is no record: %v, %s", at, reason)
		}
		if got[id].text != "" {
			got[id].text += " and "
		}
		got[id] = outcome{got[id].text + "dead", reason}
		return nil
	})
}

// each calls do with every row of a query.
func (l load) each(query string, do func(rows *sql.Rows) error) error {
	rows, err := l.bed.session.Conn.QueryContext(context.Background(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
