package schemas

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a type in DuckDB's spelling, as DESCRIBE prints it, with DuckDB's other names of the same types (INT,
// TEXT, TIMESTAMPTZ). Arrays of a fixed size become lists. Types that lakes do not store are an error.
func Parse(duckType string) (Type, error) { return parseType(duckType, exact) }

// Storable is Parse for any type that a query may give: types that lakes do not have become the narrowest one that
// holds all their values (TINYINT becomes INTEGER, ENUM becomes VARCHAR). For types that have no such
// counterpart the error says what to cast to.
func Storable(duckType string) (Type, error) { return parseType(duckType, storable) }

// OfFile is Storable for columns of Parquet files, whose times of the day with a zone are all in UTC, which many
// writers mean nothing by: they become TIME.
func OfFile(duckType string) (Type, error) {
	return parseType(duckType, func(name string, p *parser) (Type, error) {
		if name == "TIME WITH TIME ZONE" {
			return Type{Kind: Time}, nil
		}
		return storable(name, p)
	})
}

func parseType(text string, simple func(name string, p *parser) (Type, error)) (Type, error) {
	p := &parser{text: text, simple: simple}
	t, err := p.parse()
	if err == nil {
		if p.space(); p.pos < len(text) {
			err = fmt.Errorf("unexpected %q", text[p.pos:])
		}
	}
	if err != nil {
		return Type{}, fmt.Errorf("type %s: %w", text, err)
	}
	return t, nil
}

// parser reads one type text. simple turns the name of a type that is not STRUCT, MAP or a list into a Type.
type parser struct {
	text   string
	pos    int
	depth  int
	simple func(name string, p *parser) (Type, error)
}

// maxDepth bounds the recursion: no real table comes near.
const maxDepth = 100

func (p *parser) parse() (Type, error) {
	if p.depth++; p.depth > maxDepth {
		return Type{}, errors.New("nested too deeply")
	}
	defer func() { p.depth-- }()
	t, err := p.base()
	for err == nil && p.take("[") {
		for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
			p.pos++
		}
		if !p.take("]") {
			return t, errors.New("a [ is not closed")
		}
		elem := t
		t = Type{Kind: List, Elem: &elem}
	}
	return t, err
}

func (p *parser) base() (Type, error) {
	name, ok := p.name()
	if !ok {
		return Type{}, errors.New("a type's name is missing")
	}
	switch strings.ToUpper(name) {
	case "STRUCT", "ROW":
		return p.structType()
	case "MAP":
		return p.mapType()
	case "TIMESTAMP", "TIME":
		if p.words("WITH", "TIME", "ZONE") {
			name += " WITH TIME ZONE"
		} else {
			p.words("WITHOUT", "TIME", "ZONE")
		}
	case "DOUBLE":
		p.words("PRECISION")
	}
	return p.simple(strings.ToUpper(name), p)
}

func (p *parser) structType() (Type, error) {
	t := Type{Kind: Struct}
	if !p.take("(") {
		return t, errors.New("STRUCT needs its fields in parentheses")
	}
	for {
		name, ok := p.name()
		if !ok {
			return t, errors.New("a field's name is missing")
		}
		if p.space(); p.pos < len(p.text) && strings.IndexByte(",()[", p.text[p.pos]) >= 0 {
			return t, errors.New("a struct without field names cannot be stored; name its fields: {'a': 1, 'b': 2}")
		}
		field, err := p.parse()
		if err != nil {
			return t, fmt.Errorf("field %s: %w", name, err)
		}
		if Table(t.Fields).Column(name) != nil {
			return t, fmt.Errorf("field %s is there twice", name)
		}
		t.Fields = append(t.Fields, Column{Name: name, Type: field})
		if p.take(")") {
			return t, nil
		}
		if !p.take(",") {
			return t, errors.New("a ( is not closed")
		}
	}
}

func (p *parser) mapType() (Type, error) {
	if !p.take("(") {
		return Type{}, errors.New("MAP needs the types of its key and value in parentheses")
	}
	key, err := p.parse()
	if err != nil {
		return Type{}, fmt.Errorf("key: %w", err)
	}
	if !p.take(",") {
		return Type{}, errors.New("MAP needs two types")
	}
	value, err := p.parse()
	if err != nil {
		return Type{}, fmt.Errorf("value: %w", err)
	}
	if !p.take(")") {
		return Type{}, errors.New("a ( is not closed")
	}
	return Type{Kind: Map, Key: &key, Elem: &value}, nil
}

// exact maps the names of the types that lakes store.
func exact(name string, p *parser) (Type, error) {
	switch name {
	case "BOOLEAN", "BOOL", "LOGICAL":
		return Type{Kind: Boolean}, nil
	case "INTEGER", "INT", "INT4", "INT32", "SIGNED", "INTEGRAL":
		return Type{Kind: Integer}, nil
	case "BIGINT", "INT8", "INT64", "LONG":
		return Type{Kind: BigInt}, nil
	case "FLOAT", "FLOAT4", "REAL":
		return Type{Kind: Float}, nil
	case "DOUBLE", "FLOAT8":
		return Type{Kind: Double}, nil
	case "DECIMAL", "NUMERIC", "DEC":
		return p.decimal()
	case "DATE":
		return Type{Kind: Date}, nil
	case "TIME":
		return Type{Kind: Time}, nil
	case "TIMESTAMP", "DATETIME", "TIMESTAMP_US":
		return Type{Kind: Timestamp}, nil
	case "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ":
		return Type{Kind: TimestampTZ}, nil
	case "VARCHAR", "STRING", "TEXT", "CHAR", "BPCHAR", "NVARCHAR":
		p.arguments()
		return Type{Kind: Varchar}, nil
	case "BLOB", "BYTEA", "BINARY", "VARBINARY":
		return Type{Kind: Blob}, nil
	case "UUID", "GUID":
		return Type{Kind: UUID}, nil
	}
	return Type{}, fmt.Errorf("%s is not a type that tables store", name)
}

// storable adds the types that have a wider counterpart, and says what to do about the others.
func storable(name string, p *parser) (Type, error) {
	switch name {
	case "TINYINT", "INT1", "SMALLINT", "INT2", "INT16", "SHORT", "UTINYINT", "UINT8", "USMALLINT", "UINT16":
		return Type{Kind: Integer}, nil
	case "UINTEGER", "UINT32", "OID":
		return Type{Kind: BigInt}, nil
	case "UBIGINT", "UINT64":
		return Type{Kind: Decimal, Precision: 20}, nil
	case "DECIMAL", "NUMERIC", "DEC":
		return p.decimal() // its error says what is allowed
	case "HUGEINT", "INT128", "UHUGEINT", "UINT128":
		return Type{Kind: Decimal, Precision: 38}, nil
	case "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS":
		return Type{Kind: Timestamp}, nil
	case "TIME_NS":
		return Type{Kind: Time}, nil
	case "JSON", "ENUM", "BIT", "BITSTRING", "NULL":
		p.arguments()
		return Type{Kind: Varchar}, nil
	case "INTERVAL":
		return Type{}, errors.New("INTERVAL cannot be stored; cast it to VARCHAR, or to a number with epoch(…)")
	case "TIME WITH TIME ZONE", "TIMETZ":
		return Type{}, errors.New("TIME WITH TIME ZONE cannot be stored; cast it to TIME or VARCHAR")
	case "UNION":
		return Type{}, errors.New("UNION cannot be stored; take one member with union_extract(…), or cast it to VARCHAR")
	case "GEOMETRY":
		return Type{}, errors.New("GEOMETRY cannot be stored; cast it to VARCHAR (text) or to BLOB")
	case "BIGNUM", "VARINT":
		return Type{}, errors.New("BIGNUM cannot be stored; cast it to DECIMAL(38,0) or VARCHAR")
	case "VARIANT":
		return Type{}, errors.New("VARIANT cannot be stored; cast it to JSON or to a STRUCT")
	}
	t, err := exact(name, p)
	if err != nil {
		return t, fmt.Errorf("%s cannot be stored; cast it to VARCHAR", name)
	}
	return t, nil
}

// decimal reads the optional (precision, scale); DuckDB's default is (18,3).
func (p *parser) decimal() (Type, error) {
	t := Type{Kind: Decimal, Precision: 18, Scale: 3}
	args, ok := p.arguments()
	if !ok {
		return t, nil
	}
	precision, scale, both := strings.Cut(args, ",")
	var err1, err2 error
	t.Precision, err1 = strconv.Atoi(strings.TrimSpace(precision))
	if t.Scale = 0; both {
		t.Scale, err2 = strconv.Atoi(strings.TrimSpace(scale))
	}
	if err1 != nil || err2 != nil || t.Precision < 1 || t.Precision > 38 || t.Scale < 0 || t.Scale > t.Precision {
		return t, fmt.Errorf("DECIMAL(%s): write DECIMAL(precision, scale) with a precision of 1 to 38 and a scale not above it", args)
	}
	return t, nil
}

// arguments reads a parenthesized text, in which quoted strings may hold parentheses, and returns
// what is inside.
func (p *parser) arguments() (string, bool) {
	start := p.pos
	if !p.take("(") {
		return "", false
	}
	begin, inString := p.pos, byte(0)
	for ; p.pos < len(p.text); p.pos++ {
		switch c := p.text[p.pos]; {
		case inString != 0:
			if c == inString {
				inString = 0
			}
		case c == '\'' || c == '"':
			inString = c
		case c == ')':
			p.pos++
			return p.text[begin : p.pos-1], true
		}
	}
	p.pos = start
	return "", false
}

// name reads an identifier, quoted or not.
func (p *parser) name() (string, bool) {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == '"' {
		return p.quotedName()
	}
	start := p.pos
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n,()[]\"'", p.text[p.pos]) < 0 {
		p.pos++
	}
	return p.text[start:p.pos], p.pos > start
}

func (p *parser) quotedName() (string, bool) {
	var b strings.Builder
	for i := p.pos + 1; i < len(p.text); i++ {
		if p.text[i] != '"' {
			b.WriteByte(p.text[i])
			continue
		}
		if i+1 < len(p.text) && p.text[i+1] == '"' {
			b.WriteByte('"')
			i++
			continue
		}
		p.pos = i + 1
		return b.String(), b.Len() > 0
	}
	return "", false
}

// words reads the words if all of them come next, and nothing otherwise.
func (p *parser) words(words ...string) bool {
	start := p.pos
	for _, w := range words {
		if name, ok := p.name(); !ok || !strings.EqualFold(name, w) {
			p.pos = start
			return false
		}
	}
	return true
}

func (p *parser) take(token string) bool {
	p.space()
	if !strings.HasPrefix(p.text[p.pos:], token) {
		return false
	}
	p.pos += len(token)
	return true
}

func (p *parser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}
