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

	"github.com/lakeflow/lakeflow/schemas/quote"
	"github.com/lakeflow/lakeflow/sources"
)

// cell is a line of testdata/fidelity.txt.
type cell struct {
	line              int
	format, mode, typ string
	values, want      []string // several in inferred cells only
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
	symbols := strings.NewReplacer("␤", "\n", "␉", "\t", "␠", " ")
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
		c := cell{i + 1, m[1], m[2], m[3], []string{symbols.Replace(m[4])}, []string{symbols.Replace(m[5])}}
		if c.mode == "inferred" {
			c.values, c.want = strings.Split(c.values[0], " ¦ "), strings.Split(c.want[0], " ¦ ")
		}
		for i, want := range c.want {
			if want == "=" || want == "rescued" {
				c.want[i] += " "
			}
		}
		key := strings.Join([]string{c.format, c.mode, c.typ, m[4]}, "\x00")
		if len(c.values) != len(c.want) || seen[key] > 0 {
			t.Fatalf("fidelity.txt:%d: not an became for each value, or line %d again: %s", c.line, seen[key], line)
		}
		seen[key] = c.line
		cells = append(cells, c)
		if c.mode == "rescue" {
			c.mode = "both"
			cells = append(cells, c)
		}
	}
	return cells
}

// checkCells reads the values of all cells with one source: each from a file of its own, which is read strictly when
// the value fits, and then all from as few files as can hold them, which are read record by record when one value does
// not.
func checkCells(t *testing.T, b *bed, cells []cell) {
	t.Helper()
	first := cells[0]
	l := load{bed: b, format: first.format, mode: first.mode, typ: first.typ}
	for _, c := range cells {
		l.values = append(l.values, c.values...)
	}
	for _, l.apart = range []bool{true, false} {
		if !l.apart && len(l.values) == 1 {
			break
		}
		where := map[bool]string{true: "a file each", false: "together"}[l.apart]
		typ, got, err := l.read()
		if err == nil && typ != first.typ {
			err = fmt.Errorf("the column is %s", typ)
		}
		if err != nil {
			t.Errorf("fidelity.txt:%d: %s %s %s, %s: %v", first.line, l.format, l.mode, l.typ, where, err)
		}
		if got == nil {
			continue
		}
		for _, c := range cells {
			for i, want := range c.want {
				if got[i].text != want {
					t.Errorf("fidelity.txt:%d: %s %s %s `%s`, %s: %s, want %s",
						c.line, l.format, l.mode, l.typ, c.values[i], where, got[i], want)
				}
			}
			got = got[len(c.want):]
		}
	}
}

// became is what became of a value: "= text", "NULL", "dead" or "rescued text".
type became struct{ text, reason string }

func (o became) String() string {
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

// seeds are values that make a source remember a column's type. For Parquet it is NULL of the type.
var seeds = map[string]string{
	"csv BIGINT":                    `1`,
	"csv DECIMAL(38,0)":             `99999999999999999999`,
	"csv DOUBLE":                    `0.5`,
	"csv BOOLEAN":                   `true`,
	"csv DATE":                      `2024-01-01`,
	"csv TIMESTAMP":                 `2024-01-31T10:00:00`,
	"csv TIMESTAMP WITH TIME ZONE":  `2024-01-31T10:00:00Z`,
	"csv VARCHAR":                   `x`,
	"json BIGINT":                   `1`,
	"json DECIMAL(38,0)":            `99999999999999999999`,
	"json DOUBLE":                   `0.5`,
	"json BOOLEAN":                  `true`,
	"json DATE":                     `"2024-01-31"`,
	"json TIMESTAMP":                `"2024-01-31T10:00:00"`,
	"json TIMESTAMP WITH TIME ZONE": `"2024-01-31T10:00:00Z"`,
	"json VARCHAR":                  `"x"`,
	"json BIGINT[]":                 `[1]`,
	"json STRUCT(a BIGINT)":         `{"a":1}`,
}

// read returns the type of v and what became of each value.
func (l load) read() (typ string, got []became, err error) {
	dir := fmt.Sprintf("%s/%d", l.bed.dir, l.bed.clock.UnixNano())
	s, err := New(l.config(dir))
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
		first := load{bed: l.bed, format: l.format, values: []string{seed}}
		if _, _, err := first.batch(s, first.write(dir, "seed")); err != nil {
			return "", nil, fmt.Errorf("remember the type: %w", err)
		}
	}
	return l.batch(s, l.write(dir, "v"))
}

// config declares how CSV files are written, for which nothing could be told from so few records.
func (l load) config(dir string) Config {
	c := Config{Options: Options{Path: dir, Format: l.format, MaxFiles: 10000}}
	if l.format == "csv" {
		header, quote := true, `"`
		c.CSV = CSV{Header: &header, Delimiter: ",", Quote: &quote, Escape: &quote}
	}
	if l.mode == "rescue" {
		c.Evolution = Rescue
	}
	if l.mode == "both" { // rescues as rescue does: it has the same cells
		c.Evolution = AddAndRescue
	}
	if l.mode != "remembered" && l.mode != "inferred" {
		c.Hints = []Hint{{"id", "BIGINT"}, {"v", l.typ}}
	}
	return c
}

// place is where a record stands.
type place struct {
	file string
	line int64
}

// written is the record of the value with this index.
type written struct {
	id   int
	text string
}

// recordOf are formats of an id and a value.
var recordOf = map[string]string{
	"csv":     "%d,%s",
	"json":    `{"id":%d,"v":%s}`,
	"parquet": "SELECT CAST(%d AS BIGINT) AS id, %s AS v",
}

var noWord = regexp.MustCompile(`\W+`)

// write puts the values into files whose names begin with prefix.
func (l load) write(dir, prefix string) map[place]written {
	places := map[place]written{}
	records, lines, order := map[string][]string{}, map[string]int64{}, []string(nil)
	for i, v := range l.values {
		name := prefix
		if l.apart {
			name = fmt.Sprintf("%s%04d", prefix, i)
		} else if l.format == "parquet" { // a file for each type
			name += noWord.ReplaceAllString(v[strings.LastIndex(v, "::")+1:], "_")
		}
		name += "." + l.format
		if records[name] == nil {
			order = append(order, name)
			lines[name] = 1
			if l.format == "csv" {
				lines[name] = 2
			}
		}
		record := fmt.Sprintf(recordOf[l.format], i, v)
		places[place{name, lines[name]}] = written{i, record}
		records[name] = append(records[name], record)
		lines[name] += int64(1 + strings.Count(record, "\n"))
	}
	for _, name := range order {
		l.file(filepath.Join(filepath.Base(dir), name), records[name])
	}
	return places
}

// file writes one file.
func (l load) file(name string, records []string) {
	switch l.format {
	case "csv":
		l.bed.put(name, "id,v\n"+strings.Join(records, "\n")+"\n")
	case "json":
		l.bed.put(name, strings.Join(records, "\n")+"\n")
	case "parquet":
		path := l.bed.put(name, "")
		l.bed.must("COPY (" + strings.Join(records, " UNION ALL ") + ") TO " + quote.Text(path) + " (FORMAT parquet)")
	}
}

// batch reads the next batch and commits it.
func (l load) batch(s *Source, places map[place]written) (typ string, got []became, err error) {
	ctx, b := context.Background(), l.bed
	batch, err := s.Next(ctx, b.session, b.pos, b.marks)
	if err != nil {
		return "", nil, err
	}
	if batch == nil {
		return "", nil, errors.New("there is no batch")
	}
	got = make([]became, len(l.values))
	err = l.rows(batch, got)
	for range 5 {
		if err == nil {
			break
		}
		repaired, rerr := batch.Repair(ctx, b.session, err)
		if rerr != nil || repaired == nil {
			return "", nil, errors.Join(fmt.Errorf("not repaired: %w", err), rerr)
		}
		*batch = *repaired
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
func (l load) rows(batch *sources.Batch, got []became) error {
	if batch.Relation == "" {
		return nil
	}
	rescued := "NULL"
	if batch.Columns.Column("_rescued_data") != nil {
		// A number is taken from the text: JSON functions would write it anew.
		rescued = `coalesce(nullif(regexp_extract(_rescued_data, '"v":(-?[0-9][0-9.eE+-]*)[,}]', 1), ''), CAST(_rescued_data AS JSON) ->> 'v')`
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
		got[id].text = text
		return nil
	})
}

// dead fills in what became of the values that are in dead letters.
func (l load) dead(batch *sources.Batch, places map[place]written, got []became) error {
	if batch.RejectCount == 0 {
		return nil
	}
	return l.each("SELECT parse_filename(file), line, raw, reason FROM "+batch.Rejects, func(rows *sql.Rows) error {
		var at place
		var raw []byte
		var reason string
		if err := rows.Scan(&at.file, &at.line, &raw, &reason); err != nil {
			return err
		}
		record, ok := places[at]
		if !ok || l.format != "parquet" && string(raw) != record.text {
			return fmt.Errorf("a dead letter that is no record: %s:%d, %q, %s", at.file, at.line, raw, reason)
		}
		text := "dead"
		if old := got[record.id].text; old != "" {
			text = old + " and " + text
		}
		got[record.id] = became{text, reason}
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

// TestTypesOfAllRecords expects that the one value which does not go with the others counts, wherever it stands in the
// first batch.
func TestTypesOfAllRecords(t *testing.T) {
	for _, c := range []struct {
		name, format, most, odd, typ string
		count, at                    int
		apart                        bool
	}{
		{"last row", "csv", `5`, `0.5`, "DOUBLE", 25000, 24999, false},
		{"last row", "csv", `5`, `x`, "VARCHAR", 25000, 24999, false},
		{"last row", "csv", `2024-01-31`, `2024-02-30`, "VARCHAR", 25000, 24999, false},
		{"row in the middle", "csv", `true`, `True`, "VARCHAR", 60000, 31000, false},
		{"last row", "json", `5`, `0.5`, "DOUBLE", 25000, 24999, false},
		{"last row", "json", `5`, `"x"`, "VARCHAR", 25000, 24999, false},
		{"row in the middle", "json", `"2024-01-31"`, `"soon"`, "VARCHAR", 60000, 31000, false},
		{"one of many files", "csv", `5`, `0.5`, "DOUBLE", 70, 1, true},
		{"last of many files", "csv", `5`, `x`, "VARCHAR", 70, 69, true},
		{"one of many files", "json", `5`, `"x"`, "VARCHAR", 70, 1, true},
		{"last of many files", "json", `5`, `0.5`, "DOUBLE", 70, 69, true},
		{"one of many files", "parquet", `5::BIGINT`, `0.5::DOUBLE`, "DOUBLE", 40, 1, true},
		{"last of many files", "parquet", `5::BIGINT`, `'x'::VARCHAR`, "VARCHAR", 40, 39, true},
	} {
		t.Run(c.format+" "+c.name+" "+c.typ, func(t *testing.T) {
			l := load{bed: newBed(t), format: c.format, mode: "inferred", apart: c.apart}
			for range c.count {
				l.values = append(l.values, c.most)
			}
			l.values[c.at] = c.odd
			typ, got, err := l.read()
			if err != nil {
				t.Fatal(err)
			}
			if typ != c.typ {
				t.Errorf("the column is %s, want %s", typ, c.typ)
			}
			bad := 0
			for i, o := range got {
				if !strings.HasPrefix(o.text, "= ") {
					bad++
					if bad < 3 {
						t.Errorf("value %d, %s: %s", i, l.values[i], o)
					}
				}
			}
			if bad > 2 {
				t.Errorf("%d of %d values are no rows", bad, c.count)
			}
		})
	}
}

// TestRescueAfterSchema asks for the columns first, as an update does: what does not fit must be rescued then, too.
func TestRescueAfterSchema(t *testing.T) {
	for format, content := range map[string]string{"json": `{"v":0.123456789012345678}`, "csv": "v\n0.123456789012345678\n"} {
		b := newBed(t)
		b.put("a."+format, content)
		s := b.source(format, func(c *Config) { c.Evolution, c.Hints = Rescue, []Hint{{"v", "DOUBLE"}} })
		if _, err := s.Schema(t.Context(), b.session, nil); err != nil {
			t.Fatal(err)
		}
		batch := b.next(s)
		if got := b.must("SELECT v, _rescued_data LIKE '%0.123456789012345678%' FROM " + batch.Relation); got != "NULL|true\n" {
			t.Errorf("%s: %s", format, got)
		}
	}
}
