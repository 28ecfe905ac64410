package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/cdc"
	"github.com/lakeflow/lakeflow/engine/syntax"
	"github.com/lakeflow/lakeflow/expectations"
	"github.com/lakeflow/lakeflow/schemas"
)

// bindChanges checks what auto_cdc says against the columns of the flows' rows, and sets the columns of the dataset.
// Where something is wrong with it, the names of the columns are still known.
func (c *compiler) bindChanges(ctx context.Context, d *dataset) error {
	m, before := d.changes, len(c.diags)
	c.checkSnapshots(d)
	if err := c.fillIn(ctx, d); err != nil {
		return err
	}
	out := &AutoCDC{State: schemas.ChangesState(d.name), Keep: m.decl.TombstoneRetention, Rows: d.rows, Declared: m.declared(),
		At: m.decl.Range}
	s := &out.Spec
	s.History, s.Snapshots = m.decl.SCDType == 2, m.decl.Snapshot != nil
	s.Truncates = m.truncate != nil
	out.Feed = m.feed
	out.Whole, out.Timed = s.Snapshots && !m.streams, m.timed()
	s.Columns = c.keptColumns(d)
	s.Keys = c.keyColumns(d, s.Columns)
	s.IgnoreNulls = c.otherColumns(d, *s, "ignore_null_updates", m.decl.IgnoreNullUpdates)
	if s.History {
		tracked := m.decl.TrackHistoryOn
		if tracked == nil {
			tracked = &dsl.Columns{Except: true}
		}
		s.Tracked = c.otherColumns(d, *s, "track_history_on", tracked)
	}
	for _, x := range m.expressions() {
		if x.facts == nil { // which is reported
			d.doubtful = true
			continue
		}
		known, err := c.bindExpression(ctx, d, x)
		if err != nil {
			return err
		}
		if x.value && known.ok && !known.doubtful {
			c.sequencePart(d, x, known.columns[0].duckType)
		}
	}
	s.Sequence = m.sequenceType()
	d.doubtful = d.doubtful || m.decl.Flawed || c.diags[before:].HasErrors()
	d.failed = d.failed || len(s.Columns) == 0
	d.columns = s.Target()
	d.out.Columns, d.out.Merge = d.columns, out
	if d.failed || d.doubtful {
		return nil
	}
	out.Changes = m.list(*s)
	c.describeChanges(m, out)
	m.rules = m.implicitRules(*s, out)
	c.checkRuleNames(d)
	return nil
}

// describeChanges puts down the expressions for people.
func (c *compiler) describeChanges(m *changes, out *AutoCDC) {
	out.Filled, out.FilledBy = m.filled, m.filledBy
	for _, x := range m.sequence {
		out.SequenceBy = append(out.SequenceBy, c.shown(x.query))
	}
	if m.remove != nil {
		out.DeleteWhen = c.shown(m.remove.query)
	}
	if m.truncate != nil {
		out.TruncateWhen = c.shown(m.truncate.query)
	}
}

// keptColumns are those that the table keeps of a change.
func (c *compiler) keptColumns(d *dataset) schemas.Table {
	some := d.changes.decl.Columns
	if some == nil {
		some = &dsl.Columns{Except: true}
	}
	named := c.named(d, "columns", some.Names, d.rows)
	kept := named
	if some.Except {
		kept = slices.DeleteFunc(d.rows.Clone(), func(col schemas.Column) bool { return named.Column(col.Name) != nil })
	}
	for _, col := range kept {
		if strings.HasPrefix(col.Name, "__") {
			c.diags.Errorf(codeReservedName, d.placeOf(col.Name), "give it another name with AS, or leave it out of columns",
				"%s cannot keep the column %s: where changes are applied by key, names that begin with __ are taken by lakeflow",
				d.name, col.Name)
		}
	}
	return kept
}

// placeOf is where a column of the dataset's rows is named.
func (d *dataset) placeOf(name string) diag.Range {
	if some := d.changes.decl.Columns; some != nil && !some.Except {
		for _, n := range some.Names {
			if strings.EqualFold(n.Name, name) {
				return n.Range
			}
		}
	}
	for _, f := range d.flows {
		if slices.ContainsFunc(f.columns, func(col column) bool { return strings.EqualFold(col.name, name) }) {
			return f.columnPlace(name)
		}
	}
	return d.changes.decl.Range
}

// named are the columns of a table with these names, without those that there are none of, which it reports.
func (c *compiler) named(d *dataset, key string, names []dsl.ColumnName, among schemas.Table) schemas.Table {
	var found schemas.Table
	for _, n := range names {
		if col := among.Column(n.Name); col != nil {
			found = append(found, *col)
			continue
		}
		help := diag.DidYouMean(n.Name, among.Names(), "name a column of the query's output")
		what := "the changes of %s have no column %q, which %s names"
		if d.rows.Column(n.Name) != nil {
			help, what = "add it to columns, or leave it out here", "%s does not keep the column %q, which %s names"
		}
		c.diags.Errorf(codeChangeColumn, n.Range, help, what, d.name, n.Name, key)
	}
	return found
}

// keyColumns are the names of the keys, as the columns have them.
func (c *compiler) keyColumns(d *dataset, kept schemas.Table) []string {
	var keys []string
	for _, n := range d.changes.decl.Keys {
		for _, col := range c.named(d, "keys", []dsl.ColumnName{n}, d.rows) {
			switch {
			case kept.Column(col.Name) == nil:
				c.diags.Errorf(codeKeyLeftOut, n.Range, "add it to columns", "%s does not keep its key %s", d.name, col.Name)
			case !d.doubtfulRows && keyHelp(col.Type.Kind) != "":
				c.diags.Errorf(codeKeyType, n.Range, keyHelp(col.Type.Kind),
					"the key %s of %s cannot be %s", col.Name, d.name, typeWithArticle(col.Type.String()))
			default:
				keys = append(keys, col.Name)
			}
		}
	}
	return keys
}

// keyHelp says what to take in the place of a type whose values cannot be keys, and is empty for others.
func keyHelp(k schemas.Kind) string {
	switch k {
	case schemas.Float, schemas.Double:
		return "cast it in the query, to DECIMAL or VARCHAR: what is computed in two ways may differ in its last digits"
	case schemas.Struct, schemas.List, schemas.Map:
		return "name columns that the query takes out of it"
	}
	return ""
}

// otherColumns are the names of some columns that are no keys.
func (c *compiler) otherColumns(d *dataset, s cdc.Spec, key string, some *dsl.Columns) []string {
	if some == nil {
		return nil
	}
	isKey := func(name string) bool {
		return slices.ContainsFunc(s.Keys, func(k string) bool { return strings.EqualFold(k, name) })
	}
	if some.Except {
		without := c.named(d, key, some.Names, d.rows)
		var names []string
		for _, col := range s.Columns {
			if !isKey(col.Name) && without.Column(col.Name) == nil {
				names = append(names, col.Name)
			}
		}
		return names
	}
	for _, n := range some.Names {
		if isKey(n.Name) {
			c.diags.Errorf(codeKeyNamed, n.Range, "leave it out",
				"%s names %s, which is a key of %s and never changes", key, n.Name, d.name)
		}
	}
	return c.named(d, key, some.Names, s.Columns).Names()
}

// sequencePart notes one part of the sequence, or reports that its values have no order that lasts.
func (c *compiler) sequencePart(d *dataset, x *rowExpression, duckType string) {
	m, name := d.changes, ""
	if ref, ok := x.facts.items[0].(syntax.ColumnRef); ok && len(ref.Path()) == 1 {
		name = ref.Name()
		for _, f := range d.flows {
			for _, col := range f.columns {
				if strings.EqualFold(col.name, name) && orderHelp(col.duckType) != "" {
					duckType = col.duckType
				}
			}
		}
	}
	if !x.facts.deterministic() {
		c.diags.Errorf(codeSequenceType, at(x.query, -1, 0), "take a column that grows with every change: a time, a number",
			"%s has another value in every update: which %s is the later one must not depend on when it is read", x.title, m.what())
		return
	}
	t, err := schemas.Storable(duckType)
	if help := orderHelp(duckType); help != "" || err != nil {
		if help == "" {
			_, help, _ = strings.Cut(err.Error(), "; ")
		}
		c.diags.Errorf(codeSequenceType, at(x.query, -1, 0), help, "%s cannot be %s", x.title, typeWithArticle(duckType))
		return
	}
	if col := d.rows.Column(name); col != nil {
		name = col.Name
	}
	taken := func() bool { return name == "" || schemas.Table(m.parts).Column(name) != nil }
	for n := len(m.parts) + 1; taken(); n++ {
		name = fmt.Sprint("sequence_", n)
	}
	m.parts = append(m.parts, schemas.Column{Name: name, Type: t})
}

// orderHelp says what to take in the place of a type that cannot be a sequence, and is empty for others.
func orderHelp(duckType string) string {
	base, _, _ := strings.Cut(duckType, "(")
	switch {
	case strings.HasSuffix(duckType, "]") || base == "MAP":
		return "take a value out of it"
	case base == "STRUCT":
		return "write its fields as a list: [a, b]"
	case base == "JSON":
		return "take a value out of it, as in CAST(change ->> '$.changed_at' AS TIMESTAMP)"
	case base == "ENUM":
		return "name a column that the query computes of it with enum_code(…), or casts to VARCHAR"
	case duckType == "TIMESTAMP_NS" || duckType == "TIME_NS":
		return "name a column that the query computes of it with epoch_ns(…): tables store microseconds"
	case duckType == "INTERVAL":
		return "write epoch(…)"
	case base == "BOOLEAN" || base == "BLOB" || base == "BIT" || duckType == `"NULL"`:
		return "take a column that grows with every change: a time, a number"
	}
	return ""
}

// sequenceType is a STRUCT where there are several parts. Where one is not known, it is some type.
func (m *changes) sequenceType() schemas.Type {
	switch {
	case m.timed():
		return schemas.Type{Kind: schemas.Timestamp}
	case len(m.parts) != max(len(m.sequence), 1):
		return schemas.Type{Kind: schemas.Varchar}
	case len(m.parts) == 1:
		return m.parts[0].Type
	}
	return schemas.Type{Kind: schemas.Struct, Fields: m.parts}
}

// implicitRules keep changes away that cannot be applied.
func (m *changes) implicitRules(s cdc.Spec, out *AutoCDC) []expectations.Rule {
	var rules []expectations.Rule
	add := func(name, shown, sql string) {
		rules = append(rules, expectations.Rule{Name: name, Expr: shown, SQL: sql, Action: expectations.Drop,
			Deterministic: m.deterministic()})
	}
	for _, key := range s.Keys {
		shown, sql := shortName(key)+" IS NOT NULL", ident(key)+" IS NOT NULL"
		if m.truncate != nil {
			shown, sql = shown+" OR ("+out.TruncateWhen+")", sql+" OR "+m.truncate.inBrackets()
		}
		add("key_is_not_null("+key+")", shown, sql)
	}
	if m.timed() {
		return rules
	}
	var tests, shown []string
	for i, part := range m.sequenceParts() {
		text := out.SequenceBy[i]
		if _, column := m.sequence[i].facts.items[0].(syntax.ColumnRef); !column {
			text = "(" + text + ")"
		}
		tests, shown = append(tests, part+" IS NOT NULL"), append(shown, text+" IS NOT NULL")
	}
	name := "sequence_is_not_null"
	if m.decl.Snapshot != nil {
		name = "snapshot_version_is_not_null"
	}
	add(name, strings.Join(shown, " AND "), strings.Join(tests, " AND "))
	var conditions []string
	for _, text := range []string{out.TruncateWhen, out.DeleteWhen} {
		if text != "" {
			conditions = append(conditions, "("+text+")")
		}
	}
	if len(conditions) > 0 { // a failing cast in them would stop the update
		known := m.op() + " IN ('truncate', 'delete', 'upsert')"
		add("operation_is_known", "no error in "+strings.Join(conditions, ", "), known)
	}
	return rules
}

// shortName is a name as people write it: in quotes where it needs them.
func shortName(name string) string {
	if partEnd(name, 0) < len(name) || strings.HasPrefix(name, `"`) {
		return ident(name)
	}
	return name
}

func (m *changes) deterministic() bool {
	return !slices.ContainsFunc(m.expressions(), func(x *rowExpression) bool { return !x.facts.deterministic() })
}

// checkRuleNames reports expectations that have the name of a rule which auto_cdc brings.
func (c *compiler) checkRuleNames(d *dataset) {
	for _, e := range d.decl.Expectations {
		if slices.ContainsFunc(d.changes.rules, func(r expectations.Rule) bool { return r.Name == e.Name }) {
			c.diags.Errorf(codeRuleTaken, e.Range, "leave it out, or choose another name",
				"%s has the name of a rule that auto_cdc brings by itself", ruleTitle(e.Name))
		}
	}
}
