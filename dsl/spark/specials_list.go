package spark

import "strings"

// lambdaOf is the argument of a function that has to be a lambda with so many parameters.
func (w *writer) lambdaOf(c *call, i int, least, most int) *lambda {
	l, ok := c.args[i].value.(*lambda)
	if !ok || len(l.params) < least || len(l.params) > most {
		w.fail(codeArguments, c.args[i].value.at(), "write "+c.name+"(…, x -> …)", "%s needs a function as x -> … here", c.name)
	}
	return l
}

// in place of names, what they are called in DuckDB's text.
func (w *writer) with(names map[string]string, write func()) {
	before := w.replaced
	w.replaced = map[string]string{}
	for name, text := range before {
		w.replaced[name] = text
	}
	for name, text := range names {
		w.replaced[strings.ToLower(name)] = text
	}
	write()
	w.replaced = before
}

// body writes the body of a lambda whose parameters have names of their own in DuckDB's text.
func (w *writer) body(l *lambda, names ...string) {
	replaced := map[string]string{}
	for i, p := range l.params {
		replaced[p.name] = names[i]
	}
	w.with(replaced, func() { w.expr(l.body) })
}

// element makes a name for a parameter that does not hide others.
func (w *writer) element() string {
	w.generated++
	return "__e" + itoa(w.generated)
}

func transform(w *writer, c *call) {
	w.need(c, 2, 2, "transform(list, x -> …)")
	l := w.lambdaOf(c, 1, 1, 2)
	e := w.element()
	w.around(c, "list_transform(", func() { w.expr(c.args[0].value) }, ", lambda ")
	if len(l.params) == 2 { // Spark counts from 0
		w.put(e+", "+e+"i: ", l.span)
		w.body(l, e, "CAST("+e+"i - 1 AS INTEGER)")
	} else {
		w.put(e+": ", l.span)
		w.body(l, e)
	}
	w.put(")", span{c.end, c.end})
}

// overElements writes function(list, lambda e: body).
func (w *writer) overElements(c *call, before, after string, list func(), lambda *lambda, names func(e string) []string) {
	e := w.element()
	w.around(c, before, list, ", lambda "+e+": ")
	w.around(c, "", func() { w.body(lambda, names(e)...) }, after)
}

func itself(e string) []string { return []string{e} }

func entry(e string) []string { return []string{e + ".key", e + ".value"} }

func filter(w *writer, c *call) {
	w.need(c, 2, 2, "filter(list, x -> …)")
	l := w.lambdaOf(c, 1, 1, 2)
	if len(l.params) == 2 {
		e := w.element()
		w.around(c, "list_filter(", func() { w.expr(c.args[0].value) }, ", lambda "+e+", "+e+"i: ")
		w.around(c, "", func() { w.body(l, e, "CAST("+e+"i - 1 AS INTEGER)") }, ")")
		return
	}
	w.overElements(c, "list_filter(", ")", func() { w.expr(c.args[0].value) }, l, itself)
}

func exists(w *writer, c *call) {
	w.need(c, 2, 2, c.name+"(list, x -> …)")
	w.overElements(c, "@any_true(list_transform(", "))", func() { w.expr(c.args[0].value) }, w.lambdaOf(c, 1, 1, 1), itself)
}

func forall(w *writer, c *call) {
	w.need(c, 2, 2, c.name+"(list, x -> …)")
	w.overElements(c, "@all_true(list_transform(", "))", func() { w.expr(c.args[0].value) }, w.lambdaOf(c, 1, 1, 1), itself)
}

func aggregate(w *writer, c *call) {
	w.need(c, 3, 4, c.name+"(list, start, (acc, x) -> …)")
	merge := w.lambdaOf(c, 2, 2, 2)
	e := w.element()
	if len(c.args) == 4 {
		w.put("list_transform([", c.nameAt)
	}
	list, start := func() { w.expr(c.args[0].value) }, func() { w.expr(c.args[1].value) }
	// What is collected may have another type than the elements, and DuckDB's list_reduce has one for both: here a pair.
	w.around(c, "(list_reduce(list_transform(", list, ", lambda "+e+": struct_pack(e := "+e+", a := CASE WHEN false THEN ")
	w.around(c, "", start, " END)), lambda "+e+"a, "+e+": struct_pack(e := "+e+".e, a := ")
	w.body(merge, e+"a.a", e+".e")
	w.around(c, "), struct_pack(e := (", list, ")[1], a := ")
	w.around(c, "", start, "))).a")
	if len(c.args) == 4 {
		finish := w.lambdaOf(c, 3, 1, 1)
		f := w.element()
		w.around(c, "], lambda "+f+": ", func() { w.body(finish, f) }, ")[1]")
	}
}

func zipWith(w *writer, c *call) {
	w.need(c, 3, 3, "zip_with(a, b, (x, y) -> …)")
	w.overElements(c, "list_transform(list_zip(", ")", func() {
		w.expr(c.args[0].value)
		w.put(", ", c.nameAt)
		w.expr(c.args[1].value)
		w.put(")", c.nameAt)
	}, w.lambdaOf(c, 2, 2, 2), func(e string) []string { return []string{e + "[1]", e + "[2]"} })
}

func mapFilter(w *writer, c *call) {
	w.need(c, 2, 2, "map_filter(map, (k, v) -> …)")
	w.overElements(c, "map_from_entries(list_filter(map_entries(", "))", func() {
		w.expr(c.args[0].value)
		w.put(")", c.nameAt)
	}, w.lambdaOf(c, 1, 2, 2), entry)
}

func transformValues(w *writer, c *call) { w.transformMap(c, false) }
func transformKeys(w *writer, c *call)   { w.transformMap(c, true) }

func (w *writer) transformMap(c *call, keys bool) {
	w.need(c, 2, 2, c.name+"(map, (k, v) -> …)")
	l := w.lambdaOf(c, 1, 2, 2)
	e := w.element()
	w.around(c, "map_from_entries(list_transform(map_entries(", func() { w.expr(c.args[0].value) }, "), lambda "+e+": ")
	body := func() { w.body(l, e+".key", e+".value") }
	if keys {
		w.around(c, "struct_pack(key := ", body, ", value := "+e+".value)))")
	} else {
		w.around(c, "struct_pack(key := "+e+".key, value := ", body, ")))")
	}
}

// arraysZip gives structs of the elements at one place, with the names of the columns.
func arraysZip(w *writer, c *call) {
	w.need(c, 1, -1, "arrays_zip(a, b)")
	e := w.element()
	w.put("list_transform(list_zip(", c.nameAt)
	var fields []string
	for i, a := range c.args {
		if i > 0 {
			w.put(", ", a.value.at())
		}
		w.expr(a.value)
		name := itoa(i)
		if col, ok := a.value.(*column); ok {
			name = col.path[len(col.path)-1].name
		}
		fields = append(fields, quoteName(name)+" := "+e+"["+itoa(i+1)+"]")
	}
	w.put("), lambda "+e+": struct_pack("+strings.Join(fields, ", ")+"))", c.span)
}

// fromJSON reads a text by a schema, in DDL or as a type.
func fromJSON(w *writer, c *call) {
	w.need(c, 2, 3, "from_json(text, 'a INT, b STRING')")
	t := w.jsonSchema(c.args[1].value)
	if strings.Contains(t.duck(), "TIMESTAMP") {
		w.needsUTC(c.args[1].value.at(), "a TIMESTAMP in a JSON text")
	}
	macro := "@json_value("
	if t.name == "STRUCT" {
		macro = "@json_object("
	}
	open, close := macro, ", "+quoteText(jsonShape(t))+")"
	if strings.Contains(jsonShape(t), "TIMESTAMPTZ") {
		open, close = "CAST("+macro, close+" AS "+t.duck()+")"
	}
	w.around(c, open, func() { w.coerced(c.args[0].value, text) }, close)
}

// jsonSchema reads a schema: a type, or schema_of_json of a constant.
func (w *writer) jsonSchema(x expr) *dataType {
	c, ok := x.(*call)
	if !ok || c.name != "schema_of_json" {
		return w.schema(x.at(), w.constant(x, "the schema"))
	}
	w.need(c, 1, 1, "schema_of_json('{\"a\": 1}')")
	t, ok := sampleType(w.constant(c.args[0].value, "the sample"))
	if !ok {
		w.fail(codeArguments, c.args[0].value.at(), "write a sample as '{\"a\": 1}'", "this is no JSON")
	}
	return t
}

// schema reads a type, or fields without STRUCT<…> around them.
func (w *writer) schema(at span, ddl string) *dataType {
	var t *dataType
	for _, text := range []string{ddl, "STRUCT<" + ddl + ">"} {
		p := newParser(text, func(int, int) (r diagRange) { return w.place(at.start, at.end) }, new(diagList), w.result)
		if attempt(func() {
			t = p.dataType()
			if p.i < len(p.toks) {
				p.fail("the type ends", "")
			}
		}) {
			return t
		}
	}
	w.fail(codeArguments, at, "write the fields as 'a INT, b ARRAY<STRING>'", "this is no schema")
	return nil
}

// jsonShape is a type as DuckDB's from_json takes it. A moment is read with its offset, which a TIMESTAMP would leave out.
func jsonShape(t *dataType) string {
	quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
	switch t.name {
	case "ARRAY":
		return "[" + jsonShape(t.of[0]) + "]"
	case "STRUCT":
		var fields []string
		for _, f := range t.fields {
			fields = append(fields, quote(f.name.name)+":"+jsonShape(f.typ))
		}
		return "{" + strings.Join(fields, ",") + "}"
	case "TIMESTAMP", "TIMESTAMP_LTZ":
		return quote("TIMESTAMPTZ")
	}
	return quote(t.duck())
}

// arraySort sorts by a comparison, by insertion: lists are short, and DuckDB compares by values only.
func arraySort(w *writer, c *call) {
	w.need(c, 1, 2, "array_sort(list, (l, r) -> …)")
	if len(c.args) == 1 {
		w.around(c, "list_sort(", func() { w.expr(c.args[0].value) }, ", 'ASC', 'NULLS LAST')")
		return
	}
	l := w.lambdaOf(c, 1, 2, 2)
	e := w.element()
	compare := func(sign string) {
		w.put("list_filter("+e+"a, lambda "+e+": (", l.span)
		w.body(l, e, e+"b[1]")
		w.put(") "+sign+" 0)", l.span)
	}
	w.around(c, "list_transform([", func() { w.expr(c.args[0].value) }, "], lambda "+e+"l: CASE WHEN len("+e+"l) < 2 THEN "+e+"l ELSE ")
	w.put("list_reduce(list_transform("+e+"l, lambda "+e+": ["+e+"]), lambda "+e+"a, "+e+"b: ", l.span)
	compare("<=")
	w.put(" || "+e+"b || ", l.span)
	compare(">")
	w.put(") END)[1]", span{c.end, c.end})
}

// mapZipWith makes a map of the keys of two.
func mapZipWith(w *writer, c *call) {
	w.need(c, 3, 3, "map_zip_with(a, b, (k, x, y) -> …)")
	l := w.lambdaOf(c, 2, 3, 3)
	e := w.element()
	w.around(c, "list_transform([struct_pack(a := ", func() { w.expr(c.args[0].value) }, ", b := ")
	w.around(c, "", func() { w.expr(c.args[1].value) }, ")], lambda "+e+": CASE WHEN "+e+".a IS NOT NULL AND "+e+".b IS NOT NULL THEN ")
	w.written("map_from_entries(list_transform(@array_distinct(map_keys("+e+".a) || map_keys("+e+".b)), lambda "+e+"k: struct_pack(key := "+e+"k, value := ", l.span)
	w.body(l, e+"k", e+".a["+e+"k]", e+".b["+e+"k]")
	w.put("))) END)[1]", span{c.end, c.end})
}
