package spark

// span is a stretch of a text, in bytes.
type span struct{ start, end int }

func (s span) at() span { return s }

// to is the stretch from the beginning of one to the end of another.
func (s span) to(other span) span { return span{s.start, max(s.end, other.end)} }

// ident is a name that is written in a text, without its quotes.
type ident struct {
	span
	name   string
	quoted bool
}

// expr is a node of an expression.
type expr interface{ at() span }

type (
	// column is a name: of a column, of a field of it, with or without a table in front.
	column struct {
		span
		path []ident
	}
	// star is * or t.*, with what EXCEPT leaves out.
	star struct {
		span
		path   []ident
		except [][]ident
	}
	// literal is a constant.
	literal struct {
		span
		kind  literalKind
		value string // of a text its characters; of a number its digits; of a date and the like what is in quotes
		typ   string // of a number: DuckDB's type that its suffix says, or empty
	}
	// interval is INTERVAL in any of its forms.
	interval struct {
		span
		months, micros int64
		daysOnly       bool // it has no field shorter than a day
		value          expr // of INTERVAL expr UNIT, where it is no constant
		unit           string
		text           string // as it is written
	}
	unary struct {
		span
		op string
		x  expr
	}
	binary struct {
		span
		op   string
		opAt span
		l, r expr
	}
	call struct {
		span
		name     string // in lower case
		nameAt   span
		path     []ident // where the name has more than one part
		distinct bool
		args     []argument
		filter   expr
		within   []order
		nulls    string // IGNORE or RESPECT
		over     *window
	}
	cast struct {
		span
		x   expr
		to  *dataType
		try bool
	}
	caseOf struct {
		span
		operand expr
		whens   []when
		other   expr
	}
	between struct {
		span
		x, low, high expr
		not          bool
	}
	in struct {
		span
		x     expr
		list  []expr
		query *query
		not   bool
	}
	like struct {
		span
		x        expr
		op       string // LIKE, ILIKE, RLIKE
		any      string // ANY or ALL of patterns
		patterns []expr
		escape   string
		not      bool
	}
	is struct {
		span
		x    expr
		what string // NULL, TRUE, FALSE, UNKNOWN, DISTINCT FROM
		y    expr
		not  bool
	}
	subquery struct {
		span
		query  *query
		exists bool
	}
	field struct {
		span
		x    expr
		name ident
	}
	item struct {
		span
		x, key expr
	}
	// path is x:a.b[0], which looks into JSON.
	path struct {
		span
		x     expr
		steps []step
	}
	lambda struct {
		span
		params []ident
		body   expr
	}
	tuple struct {
		span
		items []expr
	}
)

type literalKind int

const (
	nullLiteral literalKind = iota
	boolLiteral
	numberLiteral
	textLiteral
	binaryLiteral
	dateLiteral
	timestampLiteral
)

type argument struct {
	name  string // of name => value
	alias string // of value AS alias, inside of struct(…)
	value expr
}

type when struct{ cond, then expr }

// step is a part of a path into JSON: a name, a number, or all elements.
type step struct {
	name  string
	index string
	all   bool
}

type order struct {
	x     expr
	desc  bool
	nulls string // FIRST, LAST or empty
}

// window is what stands behind OVER.
type window struct {
	span
	name      string
	partition []expr
	order     []order
	frame     []any // words, as strings, and expressions
}

// query is a whole query.
type query struct {
	span
	recursive bool
	with      []common
	body      body
	order     []order
	orderAll  string // of ORDER BY ALL: what stands behind it
	limit     expr
	offset    expr
	name      *ident // of |> AS name
}

type common struct {
	name    ident
	columns []ident
	query   *query
}

// body is a selection, a setOperation, a values, or a nested query.
type body interface{ at() span }

type selection struct {
	span
	distinct bool
	items    []selected
	from     []relation
	where    expr
	groups   []expr
	grouping string // ROLLUP, CUBE, ALL, or SETS
	sets     [][]expr
	having   expr
	qualify  expr
	windows  []namedWindow
}

type namedWindow struct {
	name ident
	spec *window
}

type selected struct {
	span
	x       expr
	alias   *ident
	aliases []ident // AS (a, b)
}

type setOperation struct {
	span
	op   string // UNION, INTERSECT, EXCEPT
	opAt span
	all  bool
	name bool // BY NAME
	l, r body
}

type values struct {
	span
	rows [][]expr
}

// relation is what stands behind FROM.
type relation interface{ at() span }

type alias struct {
	name    *ident
	columns []ident
}

type (
	table struct {
		span
		path    []ident
		stream  bool
		travel  string // AS OF and what is behind it
		changes bool   // STREAM CHANGES
		sample  *sample
		alias
	}
	derived struct {
		span
		query   *query
		lateral bool
		sample  *sample
		alias
	}
	tableCall struct {
		span
		call    *call
		lateral bool
		alias
	}
	// files is a relation that reads files or another system: read_files(…), json.`path`.
	files struct {
		span
		found int  // number of the Relation
		call  span // without the alias
		bare  bool // cloud_files without STREAM in front of it
		alias
	}
	join struct {
		span
		l, r    relation
		kind    string // INNER, LEFT, RIGHT, FULL, CROSS, SEMI, ANTI
		natural bool
		lateral bool
		on      expr
		using   []ident
	}
	// nested is a relation in brackets.
	nested struct {
		span
		x relation
	}
	lateralView struct {
		span
		x     relation
		outer bool
		call  *call
		name  *ident
		names []ident
	}
	pivot struct {
		span
		x          relation
		aggregates []selected
		columns    []expr
		values     []selected
		alias
	}
	unpivot struct {
		span
		x       relation
		nulls   bool
		values  []ident
		name    ident
		columns []unpivotColumn
		alias
	}
)

type unpivotColumn struct {
	columns []column
	alias   *ident
}

type sample struct {
	span
	text string // DuckDB's
}

// dataType is a type as it is written.
type dataType struct {
	span
	name   string // in upper case
	args   []string
	of     []*dataType // of ARRAY, MAP
	fields []typeField // of STRUCT
}

type typeField struct {
	name ident
	typ  *dataType
}
