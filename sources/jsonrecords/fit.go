package jsonrecords

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/values"
)

var (
	errInvalid   = errors.New("the record is not valid JSON")
	errSurrogate = errors.New("the record is not valid JSON: half of a pair of surrogates stands alone in it")
)

const keyTwice = "a key occurs twice in the record"

// Fitter takes records one by one and makes of each what DuckDB reads without a loss, or a reason why it can't be
// taken. It is used by one goroutine at a time.
type Fitter struct {
	columns *columnSet
	tree    *Tree
	options FitOptions
	judge   judge
}

// FitOptions say what to do with records that do not fit.
type FitOptions struct {
	Rescues bool     // values that do not fit are no mistake: they are kept apart
	Ignores bool     // so are keys that are no columns: they are dropped
	Nulls   []string // texts that stand for NULL where a column is no text
}

// NewFitter makes a fitter of records with these columns. Conn is asked about values; one goroutine uses it at a time.
func NewFitter(conn *sql.Conn, t schemas.Table, o FitOptions) *Fitter {
	return &Fitter{columns: newColumnSet(t, Own{o.Rescues}), tree: NewTree(t), options: o, judge: newJudge(conn, new(sync.Mutex))}
}

// Clone is another fitter for another goroutine.
func (f *Fitter) Clone() *Fitter {
	return &Fitter{columns: f.columns, tree: f.tree, options: f.options, judge: newJudge(f.judge.conn, f.judge.one)}
}

// Fitted is what became of a record.
type Fitted struct {
	Text    []byte // the record as DuckDB is to read it: an object, on one line
	Rescued string // members of a JSON object, "key":value,"key":value, that the columns do not hold
	Reason  string // why the record can't be taken: a sentence
}

// Fit takes records, whose texts stay the caller's. Where DuckDB has to be asked about values, it is asked once for all
// of them.
func (f *Fitter) Fit(ctx context.Context, texts [][]byte) ([]Fitted, error) {
	out := make([]Fitted, len(texts))
	var again []int
	for i, text := range texts {
		var asks bool
		if out[i], asks = f.one(text); asks {
			again = append(again, i)
		}
	}
	if len(again) == 0 {
		return out, nil
	}
	if err := f.judge.ask(ctx); err != nil {
		return nil, err
	}
	for _, i := range again {
		out[i], _ = f.one(texts[i])
	}
	f.judge.forget()
	return out, nil
}

// fitting is one record being fitted.
type fitting struct {
	*Fitter
	lexer
	out     []byte
	nans    []int // where the words begin that quoteNaN made texts of
	reasons []string
	asks    bool // DuckDB has to be asked first
	// stranger is the reason to refuse the record for a key that could be a column. It is none because no record is
	// taken that has it, if there is another reason.
	stranger string
}

func (f *Fitter) one(text []byte) (Fitted, bool) {
	text = bytes.TrimSpace(text)
	if err := Valid(text); err != nil {
		return Fitted{Reason: err.Error()}, false
	}
	var nans []int
	if !json.Valid(text) {
		text, nans = quoteNaN(text)
	}
	if text[0] != '{' {
		return Fitted{Reason: "the record is not a JSON object but " + kindOf(text[0])}, false
	}
	r := &fitting{Fitter: f, lexer: lexer{text: text}, out: make([]byte, 0, len(text)+16), nans: nans}
	lost := r.object(f.tree, place{})
	if len(r.reasons) == 0 && r.stranger != "" {
		r.reasons = []string{r.stranger}
	}
	if len(r.reasons) > 0 {
		return Fitted{Reason: strings.Join(r.reasons, "; ")}, r.asks
	}
	return Fitted{Text: r.out, Rescued: strings.Join(lost, ",")}, r.asks
}

func kindOf(first byte) string {
	switch first {
	case '[':
		return "an array"
	case 'n':
		return "null"
	case '"':
		return "a text"
	case 't', 'f':
		return "true or false"
	}
	return "a number"
}

// place is where a value stands: as messages and as Iceberg name it.
type place struct{ label, path string }

func (p place) member(name string) place {
	if p.label == "" {
		return place{name, name}
	}
	return place{p.label + "." + name, p.path + "." + name}
}

func (p place) within(part string) place { return place{p.label, p.path + "." + part} }

func (p place) prefix() (label, path string) {
	if p.label == "" {
		return "", ""
	}
	return p.label + ".", p.path + "."
}

func (r *fitting) wrong(format string, args ...any) {
	if len(r.reasons) < 5 {
		r.reasons = append(r.reasons, fmt.Sprintf(format, args...))
	}
}

// member is one member of an object: where its value begins and ends in the text.
type member struct {
	name     []byte // between its quotes
	key      []byte
	from, to int
	exact    bool
}

// read reads the members of the object at pos, and steps behind it.
func (r *fitting) read() []member {
	r.pos++
	var out []member
	for r.peek() != '}' {
		if r.text[r.pos] == ',' {
			r.pos++
			r.space()
		}
		name, _ := r.key()
		r.space()
		m := member{name: name, key: unescape(name), from: r.pos}
		r.anything()
		m.to = r.pos
		out = append(out, m)
	}
	r.pos++
	return out
}

// object writes the object at pos as a struct, and returns the members that it does not hold.
func (r *fitting) object(k *Tree, at place) (lost []string) {
	members := r.read()
	after := r.pos
	chosen, lost := r.choose(k, members, at)
	r.out = append(r.out, '{')
	first := true
	for i, m := range chosen {
		if m == nil {
			continue
		}
		if !first {
			r.out = append(r.out, ',')
		}
		first = false
		r.out = append(appendKey(r.out, k.names[i]), ':')
		r.pos = m.from
		if rest := r.value(k.inner[i], at.member(k.names[i])); rest != "" {
			lost = append(lost, string(appendKey(nil, k.names[i]))+":"+rest)
		}
	}
	r.out = append(r.out, '}')
	r.pos = after
	return lost
}

// choose finds the member for each field. What is left over is lost, or a mistake.
func (r *fitting) choose(k *Tree, members []member, at place) (chosen []*member, lost []string) {
	chosen = make([]*member, len(k.names))
	for i := range members {
		m := &members[i]
		field, exact := k.find(m.key)
		m.exact = exact
		var other *member
		if field >= 0 {
			other = chosen[field]
		}
		switch {
		case field < 0:
			if lost = r.unknown(lost, m, at); len(r.reasons) > 0 {
				return nil, nil
			}
			continue
		case other == nil:
			chosen[field] = m
			continue
		case string(other.key) == string(m.key):
			r.wrong(keyTwice)
			return nil, nil
		case !r.options.Rescues:
			r.wrong("the record has the keys %s and %s, which differ in letter case only", shortQuote(string(other.key)), shortQuote(string(m.key)))
			return nil, nil
		case exact:
			chosen[field], m = m, other
		}
		lost = append(lost, r.whole(m))
	}
	return chosen, lost
}

func (r *fitting) unknown(lost []string, m *member, at place) []string {
	switch {
	case r.options.Rescues:
		return append(lost, r.whole(m))
	case !r.options.Ignores:
		label, path := at.prefix()
		if why := r.columns.stranger(label, path, string(m.key)); r.columns.refusal(path, string(m.key)) != "" {
			r.wrong("%s", why)
		} else {
			r.stranger = cmp.Or(r.stranger, why)
		}
	}
	return lost
}

// whole is a member as text.
func (r *fitting) whole(m *member) string {
	return `"` + string(m.name) + `":` + compact(r.text[m.from:m.to])
}

func compact(text []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return string(text)
	}
	return b.String()
}

// value writes the value at pos as a type, and returns the text of what it does not hold, or nothing.
func (r *fitting) value(k *Tree, at place) (lost string) {
	start, c := r.pos, r.text[r.pos]
	kind := k.typ.Kind
	switch {
	case c == 'n':
		r.anything()
		r.out = append(r.out, "null"...)
		return ""
	case kind == schemas.Struct && c == '{':
		if rest := r.object(k, at); len(rest) > 0 {
			return "{" + strings.Join(rest, ",") + "}"
		}
		return ""
	case kind == schemas.Map && c == '{', kind == schemas.List && c == '[':
		whole := true
		if c == '[' {
			whole = r.items(k, at)
		} else {
			whole = r.entries(k, at)
		}
		if whole {
			return ""
		}
		return compact(r.text[start:r.pos])
	case c == '{' || c == '[':
		return r.nested(k, at)
	}
	return r.single(k, at)
}

// items writes the elements of a list, and says whether all of them fit.
func (r *fitting) items(k *Tree, at place) (whole bool) {
	whole = true
	r.pos++
	r.out = append(r.out, '[')
	for r.peek() != ']' {
		if r.text[r.pos] == ',' {
			r.pos++
			r.out = append(r.out, ',')
			r.space()
		}
		whole = r.value(k.elem, at.within("element")) == "" && whole
	}
	r.pos++
	r.out = append(r.out, ']')
	return whole
}

// nested writes an object or array where a single value belongs: its text.
func (r *fitting) nested(k *Tree, at place) (lost string) {
	start := r.pos
	r.rough = false
	r.skip()
	switch text := r.text[start:r.pos]; {
	case k.typ.Kind != schemas.Varchar:
		return r.misfit(k, at, text)
	case r.hasNaN(start, r.pos):
		r.out = AppendText(r.out, r.unquoteNaN(start, r.pos))
	case r.rough:
		r.out = AppendText(r.out, []byte(compact(text)))
	default:
		r.out = append(r.out, compact(text)...)
	}
	return ""
}

// single writes a text, a number, true or false.
func (r *fitting) single(k *Tree, at place) (lost string) {
	start, kind := r.pos, k.typ.Kind
	nested := kind == schemas.Struct || kind == schemas.List || kind == schemas.Map
	if r.text[start] == '"' {
		inside, _ := r.str()
		content := unescape(inside)
		var fit []byte
		ok := false
		if !nested {
			fit, ok = r.fits(k.typ, content)
		}
		switch {
		case kind != schemas.Varchar && slices.Contains(r.options.Nulls, string(content)):
			r.out = append(r.out, "null"...)
		case !ok:
			return r.misfit(k, at, r.text[start:r.pos])
		case string(fit) == string(content):
			r.out = append(r.out, r.text[start:r.pos]...)
		default:
			r.out = AppendText(r.out, fit)
		}
		return ""
	}
	token := r.bare()
	word := token[0] == 't' || token[0] == 'f'
	fit, ok := r.fits(k.typ, token)
	switch {
	case word && (kind == schemas.Boolean || kind == schemas.Varchar):
		r.out = append(r.out, token...)
	case word || nested || !ok:
		return r.misfit(k, at, token)
	case fitsBare(token, k.typ):
		r.out = append(r.out, token...)
	default: // DuckDB would make a DOUBLE of it first
		r.out = AppendText(r.out, fit)
	}
	return ""
}

func (r *fitting) misfit(k *Tree, at place, text []byte) (lost string) {
	r.out = append(r.out, "null"...)
	if !r.options.Rescues {
		r.wrong("%s", misfitOf(at.label, text, k.typ))
	}
	return compact(text)
}

// misfitOf is why a record is not taken that has this value in the column.
func misfitOf(column string, value []byte, t schemas.Type) string {
	shown := []rune(string(value[:min(len(value), 4*200)]))
	return fmt.Sprintf("column %s: %s is not %s", column, string(shown[:min(len(shown), 200)]), t)
}

// longestAsked is how long the text of a value may be that is no text and no bytes.
const longestAsked = 1000

// fits says whether a text becomes a t without a change, and how to write it for DuckDB, which takes fewer forms in
// JSON. While that is not known, it is noted.
func (r *fitting) fits(t schemas.Type, text []byte) (fit []byte, ok bool) {
	if t.Kind == schemas.Varchar || t.Kind == schemas.Blob || values.Fits(text, t) {
		return text, true
	}
	if len(text) > longestAsked {
		return nil, false
	}
	return r.asked(t, text)
}

// asked is what DuckDB makes of the text.
func (r *fitting) asked(t schemas.Type, text []byte) (fit []byte, ok bool) {
	a, known := r.judge.of(doubt{t.String(), string(text)}, t)
	r.asks = r.asks || !known
	return []byte(a.text), a.ok
}

// judge asks DuckDB whether texts become values without a change.
type judge struct {
	one     *sync.Mutex // of all that ask this connection
	conn    *sql.Conn
	answers map[doubt]answer
	pending map[string]*pending
}

func newJudge(conn *sql.Conn, one *sync.Mutex) judge {
	return judge{one: one, conn: conn, answers: map[doubt]answer{}}
}

// doubt is a text that may not become a value of the type.
type doubt struct{ typ, text string }

// answer is what DuckDB says to it: the value as DuckDB writes it.
type answer struct {
	text string
	ok   bool
}

// pending are the texts of one type to ask for.
type pending struct {
	typ   schemas.Type
	texts []string
	there map[string]bool
}

// of is the answer. One that is not known yet is favourable, and the question is noted.
func (j *judge) of(d doubt, t schemas.Type) (a answer, known bool) {
	if a, known = j.answers[d]; known {
		return a, true
	}
	if j.pending == nil {
		j.pending = map[string]*pending{}
	}
	p := j.pending[d.typ]
	if p == nil {
		p = &pending{typ: t, there: map[string]bool{}}
		j.pending[d.typ] = p
	}
	if !p.there[d.text] {
		p.there[d.text] = true
		p.texts = append(p.texts, d.text)
	}
	return answer{d.text, true}, false
}

func (j *judge) ask(ctx context.Context) error {
	j.one.Lock()
	defer j.one.Unlock()
	for name, p := range j.pending {
		if err := j.askFor(ctx, name, p); err != nil {
			return fmt.Errorf("check values of the type %s: %w", name, err)
		}
	}
	j.pending = nil
	return nil
}

func (j *judge) askFor(ctx context.Context, name string, p *pending) (err error) {
	texts, err := json.Marshal(p.texts)
	if err != nil {
		return err
	}
	for _, text := range p.texts {
		j.answers[doubt{name, text}] = answer{}
	}
	query := fmt.Sprintf(`SELECT i, CAST(%s AS VARCHAR) FROM (SELECT unnest(l) AS v, generate_subscripts(l, 1) AS i FROM (SELECT from_json(?, '["VARCHAR"]') AS l))`+
		` WHERE NOT coalesce(%s, true)`, values.Cast("v", p.typ), values.Lossy("v", p.typ))
	rows, err := j.conn.QueryContext(ctx, query, string(texts))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var i int64
		var a answer
		if err := rows.Scan(&i, &a.text); err != nil {
			return err
		}
		a.ok = values.Same(p.texts[i-1], a.text, p.typ)
		j.answers[doubt{name, p.texts[i-1]}] = a
	}
	return rows.Err()
}

// forget bounds the memory.
func (j *judge) forget() {
	if len(j.answers) > 100_000 {
		clear(j.answers)
	}
}

// appendKey writes a key of an object.
func appendKey(b []byte, name string) []byte { return AppendText(b, []byte(name)) }

// AppendText writes a JSON text. Bytes that are not UTF-8 are replaced.
func AppendText(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, text[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		case c == '"' || c == '\\':
			b = append(append(b, text[start:i]...), '\\', c)
			start = i + 1
		case c < ' ':
			b = append(append(b, text[start:i]...), '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			start = i + 1
		}
		i++
	}
	return append(append(b, text[start:]...), '"')
}
