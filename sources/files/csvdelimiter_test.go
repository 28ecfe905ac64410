package files

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// csvText is a file of random cells, how it is written, and how many titles stand above its header.
type csvText struct {
	text   string
	delim  string
	titles int
}

// randomCSV makes files with what misleads: ragged lines, decimal commas, dates, URLs and JSON in quotes.
func randomCSV(r *rand.Rand) csvText {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	f := csvText{delim: pick(",", ",", ";", ";", "\t", "|")}
	end := pick("\n", "\r\n")
	quoted := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	write := func(cells []string) string {
		for i, c := range cells {
			if strings.ContainsAny(c, f.delim+"\"\r\n") || r.IntN(10) == 0 {
				cells[i] = quoted(c)
			}
		}
		return strings.Join(cells, f.delim) + end
	}
	kinds := make([]string, 2+r.IntN(5))
	header := make([]string, len(kinds))
	for i := range kinds {
		kinds[i] = pick("whole", "decimal", "url", "json", "clock", "word", "words", "moment", "folded")
		header[i] = pick("id", "name", "Betrag", "order date", "c") + fmt.Sprint(i)
	}
	kinds[0] = pick("whole", "word")
	cell := func(kind string) string {
		n := r.IntN(1000)
		switch kind {
		case "whole":
			return fmt.Sprint(n)
		case "decimal":
			if f.delim == "," {
				return fmt.Sprintf("%d.5", n)
			}
			return fmt.Sprintf("%d,%d", n, r.IntN(100))
		case "url":
			return fmt.Sprintf("http://x/?a=%d;b=2,3|4", n)
		case "json":
			return fmt.Sprintf(`{"a":%d,"b":[1;2],"c":"x|y"}`, n)
		case "clock":
			return fmt.Sprintf("10:%02d:00", n%60)
		case "moment":
			return fmt.Sprintf("2024-01-%02d 10:00:00", 1+n%28)
		case "words":
			return pick("Müller, Hans", "a; b", "see x|y", "plain", "tab\there")
		case "folded":
			return pick("one\ntwo, three", "x", "y; z")
		}
		return fmt.Sprintf("K%d", n)
	}
	var b strings.Builder
	if r.IntN(5) == 0 {
		f.titles = 1 + r.IntN(2)
		b.WriteString(strings.Join([]string{"Monthly report", "as of 2024"}[:f.titles], end) + end)
	}
	b.WriteString(write(header))
	ragged := r.IntN(31)
	for range 1 + r.IntN(40) {
		var cells []string
		for _, kind := range kinds {
			cells = append(cells, cell(kind))
		}
		if r.IntN(100) < ragged {
			if r.IntN(2) == 0 {
				cells = cells[:1+r.IntN(len(cells)-1)]
			} else {
				cells = append(cells, cell("word"))
			}
		}
		b.WriteString(write(cells))
	}
	f.text = b.String()
	return f
}

func TestDetectsRandomFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	wrong := 0
	for range 3000 {
		f := randomCSV(random)
		d := CSV{}.detect([]byte(f.text))
		if d.Delimiter != f.delim || d.Skip != f.titles || d.Quote != `"` {
			if wrong++; wrong < 8 {
				t.Errorf("delimiter %q, quote %s, %d titles; want %q and %d of\n%.600s", d.Delimiter, d.Quote, d.Skip, f.delim, f.titles, f.text)
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d files are detected wrongly", wrong)
	}
}

// TestAboveTheHeader looks for what stands above the header in every file.
func TestAboveTheHeader(t *testing.T) {
	b := newBed(t)
	for _, c := range []struct {
		name, notices, rows string
		change              func(*Config)
		files               []string // of one batch each
	}{
		{"a title, and none later", "lines_skipped 0.csv", "1|a\n2|b\n", nil, []string{"Report of May\nid,v\n1,a\n", "id,v\n2,b\n"}},
		{"none, and a title later", "lines_skipped 1.csv", "1|a\n2|b\n", nil, []string{"id,v\n1,a\n", "Report of May\n\nid,v\n2,b\n"}},
		{"two of two files", "lines_skipped 0.csv, lines_skipped 1.csv", "1|a\n2|b\n3|c\n", nil, []string{"Report\n(all)\nid;v\n1;a\n3;c\n", "Report of June\nid;v\n2;b\n"}},
		{"declared", "", "1|a\n2|b\n", func(c *Config) { c.CSV.Skip = new(1) }, []string{"Report of May\nid,v\n1,a\n", "Report of June\nid,v\n2,b\n"}},
		{"the only column", "", "Meier\n", nil, []string{"name\nMeier\nMüller, Hans\n"}},
		{"Excel", "", "1|a,b\n2|c\n", nil, []string{"\ufeffsep=;\r\nid;v\r\n1;a,b\r\n", "\"sep=;\"\nid;v\n2;c\n"}},
		{"Excel names a comma", "", "1;1|a\n", nil, []string{"SEP=,\nk;l,v\n1;1,a\n"}},
		{"decimals", "", "A|1,5|x\nD|4,5|q\n", nil, []string{"k;c1;c2\nA;1,5;x\nB;2,5\nC;3,5;z;extra\nD;4,5;q\nE;5,5\n"}},
	} {
		b.marks, b.pos = map[string]string{}, nil
		dir := strings.ReplaceAll(c.name, " ", "_")
		s := b.source("csv", func(cfg *Config) {
			cfg.Path = filepath.Join(b.dir, dir)
			if c.change != nil {
				c.change(cfg)
			}
		})
		var rows, said []string
		for i, text := range c.files {
			b.put(fmt.Sprintf("%s/%d.csv", dir, i), text)
			batch := b.next(s)
			rows = append(rows, b.rows(batch))
			if n := notices(batch); n != "" {
				said = append(said, n)
			}
			b.commit(batch)
		}
		if got := sorted(strings.Join(rows, "")); strings.Join(said, ", ") != c.notices || got != sorted(c.rows) {
			t.Errorf("%s: notices %s, want %s; rows\n%s", c.name, said, c.notices, got)
		}
	}
	s := b.source("csv", func(c *Config) { c.Path, c.CSV.Skip = filepath.Join(b.dir, "declared_later"), new(1) })
	b.marks, b.pos = map[string]string{}, nil
	b.put("declared_later/1.csv", "x\nid,v\n1,a\n")
	b.commit(b.next(s))
	b.put("declared_later/2.csv", "id,v\n2,b\n")
	batch := b.next(s)
	if len(batch.Notices) != 1 || !strings.Contains(batch.Notices[0].Message, "its first line behind 1 line, which csv: {skip: 1} passes over, names none of the source's columns: 2, b") {
		t.Errorf("%+v", batch.Notices)
	}
}
