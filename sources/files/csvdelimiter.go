package files

import (
	"bytes"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/sources/values"
)

// delimiters are those that are detected; of equal ones the first is taken.
var delimiters = []string{",", "\t", ";", "|"}

// candidate is a delimiter, and what comes of the lines when they are split by it.
type candidate struct {
	delim  string
	counts []int // fields of the lines
	first  int   // the first line that it splits: it has the names, when there are any
	share  int   // percent of the lines from there on that have the usual number of fields
	usual  int
	split  int // percent of the lines from there on that it splits at all
}

// delimiter is the one that splits the line of names and most of the records into the same number of fields. What
// stands in quotes does not count.
func (o CSV) delimiter(head []byte, d dialect) string {
	if o.Delimiter != "" {
		return o.Delimiter
	}
	lines := o.unquotedLines(head, d)
	var all []candidate
	for _, delim := range delimiters {
		if c := newCandidate(lines, delim); c.usual > 1 {
			all = append(all, c)
		}
	}
	all = prefer(all, func(c candidate) bool { return c.split >= 50 })
	all = prefer(all, func(c candidate) bool {
		return !slices.ContainsFunc(all, func(other candidate) bool { return other.names(lines, c) })
	})
	all = prefer(all, func(c candidate) bool { return !decimal(lines, c.delim) })
	best := candidate{delim: delimiters[0]}
	for _, c := range all {
		if c.share > best.share || c.share == best.share && c.usual > best.usual {
			best = c
		}
	}
	return best.delim
}

// prefer drops the candidates that are not good, when others are.
func prefer(all []candidate, good func(candidate) bool) []candidate {
	if kept := slices.DeleteFunc(slices.Clone(all), func(c candidate) bool { return !good(c) }); len(kept) > 0 {
		return kept
	}
	return all
}

func newCandidate(lines []string, delim string) candidate {
	c := candidate{delim: delim, first: len(lines)}
	for i, line := range lines {
		n := strings.Count(line, delim) + 1
		c.counts = append(c.counts, n)
		if n > 1 && i < c.first {
			c.first = i
		}
	}
	frequency, split := map[int]int{}, 0
	for _, n := range c.counts[c.first:] {
		frequency[n]++
		if n > 1 {
			split++
		}
	}
	for n, times := range frequency {
		if times > frequency[c.usual] || times == frequency[c.usual] && n > c.usual {
			c.usual = n
		}
	}
	if c.first == 0 && c.usual == 1 { // many records are cut short, and the names are there
		c.usual = c.counts[0]
	}
	total := max(len(lines)-c.first, 1)
	c.share, c.split = 100*frequency[c.usual]/total, 100*split/total
	return c
}

// names says whether the line before those that another candidate splits is one of names, which this one splits, and no
// title: the line that follows a title is split by the other one only.
func (c candidate) names(lines []string, other candidate) bool {
	if c.first >= other.first {
		return false
	}
	if next := c.first + 1; next < len(lines) && c.counts[next] == 1 && other.counts[next] > 1 {
		return false
	}
	seen := map[string]bool{}
	for name := range strings.SplitSeq(lines[c.first], c.delim) {
		var g values.Guess
		g.Text([]byte(name))
		if name = strings.TrimSpace(name); name == "" || seen[name] && name != "\x00" || !isText(g) {
			return false
		}
		seen[name] = true
	}
	return true
}

// decimal says whether nearly all commas stand between digits.
func decimal(lines []string, delim string) bool {
	if delim != "," {
		return false
	}
	all, within := 0, 0
	digit := func(line string, i int) bool { return i >= 0 && i < len(line) && line[i] >= '0' && line[i] <= '9' }
	for _, line := range lines {
		for i := range len(line) {
			if line[i] == ',' {
				all++
				if digit(line, i-1) && digit(line, i+1) {
					within++
				}
			}
		}
	}
	return 10*within >= 8*all
}

// unquotedLines are the first lines that are no comments and not blank, with an x for what stands in quotes, whatever
// the delimiter is.
func (o CSV) unquotedLines(head []byte, d dialect) []string {
	text := unquote(bytes.TrimPrefix(head, bom), d)
	if o.Quote == nil && !bytes.Contains(head, []byte(`"`)) {
		if other := unquote(text, dialect{Quote: "'"}); 2*bytes.Count(other, []byte("\x00")) >= bytes.Count(other, []byte("\n")) {
			text = other
		}
	}
	end := "\n"
	if bytes.IndexByte(text, '\n') < 0 {
		end = "\r"
	}
	var out []string
	for line := range strings.SplitSeq(string(text), end) {
		if len(out) == detectRecords {
			return out
		}
		if line = strings.TrimRight(line, "\r"); strings.Trim(line, " \t") != "" && (d.Comment == "" || !strings.HasPrefix(line, d.Comment)) {
			out = append(out, line)
		}
	}
	if len(head) == detectBytes && len(out) > 1 {
		out = out[:len(out)-1]
	}
	return out
}

// unquote puts a NUL in the place of every quoted field. A quote begins one at the beginning of a line or behind
// something that may be a delimiter, and ends it before the like; one that is not closed is a character.
func unquote(text []byte, d dialect) []byte {
	if d.Quote == "" {
		return text
	}
	const around = ",\t;|\r\n"
	quote := d.Quote[0]
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); {
		if text[i] == quote && (i == 0 || strings.IndexByte(around, text[i-1]) >= 0) {
			if end := closing(text, i+1, quote, around); end > 0 {
				out = append(out, 0)
				i = end
				continue
			}
		}
		out = append(out, text[i])
		i++
	}
	return out
}

// closing returns where the text goes on behind the quote that closes a field, or 0.
func closing(text []byte, from int, quote byte, around string) int {
	for i := from; i < len(text); i++ {
		if text[i] != quote {
			continue
		}
		switch next := i + 1; {
		case next == len(text) || strings.IndexByte(around, text[next]) >= 0:
			return next
		case text[next] == quote:
			i++
		case text[i-1] != '\\': // of \" it is not known yet whether it is an escape
			return 0
		}
	}
	return 0
}
