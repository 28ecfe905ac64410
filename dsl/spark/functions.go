package spark

import (
	"slices"
	"strings"
	"sync"
)

// How says how a function of Spark is written for DuckDB.
type How string

// The ways.
const (
	Same    How = "same"    // DuckDB's function of that name
	Renamed How = "renamed" // a function of DuckDB with another name
	Written How = "written" // an expression of DuckDB's functions and operators
	Macro   How = "macro"   // a macro in the schema "spark"
	Special How = "special" // depends on what the arguments are
	Refused How = "refused" // not supported
)

// Function is a function of Spark.
type Function struct {
	Name string
	// Aggregate is set for functions over several rows, also those that need OVER.
	Aggregate bool
	How       How
	// Forms are its signatures and what is written for them, one for each number of arguments.
	Forms []string
	// Reason says why it is refused.
	Reason string

	variants []variant
}

// variant is a function with so many arguments.
type variant struct {
	params   []kind
	variadic bool // any number of the last one
	gives    kind // "1": that of the first argument; "common": that of all
	body     string
	fallback string // where DuckDB cannot tell the type of the first argument
	macro    bool
	wrap     string // around the call of an aggregate, which stands at $
	window   bool   // needs OVER
}

// Functions are all functions that are known, by name.
func Functions() []Function {
	table := functions()
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	all := make([]Function, len(names))
	for i, name := range names {
		all[i] = *table[name]
	}
	return all
}

var functions = sync.OnceValue(func() map[string]*Function {
	table := map[string]*Function{}
	for _, text := range []string{textFunctions, numberFunctions, dateFunctions, listFunctions, otherFunctions, aggregateFunctions} {
		for _, line := range strings.Split(text, "\n") {
			if line = strings.TrimSpace(line); line != "" {
				addFunction(table, line)
			}
		}
	}
	for _, line := range strings.Split(refusedFunctions, "\n") {
		names, reason, found := strings.Cut(line, " = ")
		if !found {
			continue
		}
		for _, name := range strings.Fields(names) {
			table[name] = &Function{Name: name, How: Refused, Reason: reason}
		}
	}
	for name := range specials {
		f := table[name]
		if f == nil {
			f = &Function{Name: name}
			table[name] = f
		}
		f.How = Special
	}
	return table
})

// addFunction reads a line of the table:
//
//	[agg|win] name(kind, kind...) kind [= body [| wrap]]
//
// In the body, $1 is the first argument, $* are all of them, and @name is a macro. Without a body it is DuckDB's
// function of the same name with all arguments. Behind ! stands what is written where DuckDB cannot choose a form of the
// macro.
func addFunction(table map[string]*Function, line string) {
	head, body, _ := strings.Cut(line, " = ")
	v := variant{}
	aggregate := false
	if rest, ok := strings.CutPrefix(head, "agg "); ok {
		head, aggregate = rest, true
	} else if rest, ok := strings.CutPrefix(head, "win "); ok {
		head, aggregate, v.window = rest, true, true
	}
	name, rest, _ := strings.Cut(head, "(")
	args, gives, _ := strings.Cut(rest, ")")
	v.gives = kindWord(strings.TrimSpace(gives))
	for _, arg := range strings.Split(args, ",") {
		arg = strings.TrimSpace(arg)
		if arg == "" {
			continue
		}
		if a, ok := strings.CutSuffix(arg, "..."); ok {
			arg, v.variadic = a, true
		}
		v.params = append(v.params, kindWord(arg))
	}
	body, v.fallback, _ = strings.Cut(body, " ! ")
	v.body, v.wrap, _ = strings.Cut(body, " | ")
	if v.body == "" {
		v.body = name + "($*)"
	}
	for _, n := range "123456" {
		v.macro = v.macro || strings.Count(v.body, "$"+string(n)) > 1
	}
	f := table[name]
	if f == nil {
		f = &Function{Name: name, Aggregate: aggregate}
		table[name] = f
	}
	f.variants = append(f.variants, v)
	f.Forms = append(f.Forms, line)
	if how := howOf(name, v); f.How == "" || slices.Index(ways, how) > slices.Index(ways, f.How) {
		f.How = how
	}
}

// ways are in the order of how far what is written is from the function.
var ways = []How{Same, Renamed, Written, Macro, Special, Refused}

func howOf(name string, v variant) How {
	call, args, _ := strings.Cut(v.body, "(")
	plain := args == "$*)" && v.wrap == ""
	switch {
	case v.macro, strings.HasPrefix(v.body, "@"):
		return Macro
	case plain && call == name:
		return Same
	case plain:
		return Renamed
	}
	return Written
}

// kindWord is the kind that a word in the table means; any is unknown.
func kindWord(word string) kind {
	if word == "any" || word == "" {
		return unknown
	}
	return kind(word)
}

// refusal says why a function is refused, or is empty.
func refusal(name string) string {
	if f := functions()[name]; f != nil {
		return f.Reason
	}
	for prefix, reason := range refusedFamilies {
		if strings.HasPrefix(name, prefix) {
			return reason
		}
	}
	return ""
}

// lookup finds a function, and its variant for so many arguments.
func lookup(name string, args int) (*Function, *variant) {
	f := functions()[name]
	if f == nil {
		return nil, nil
	}
	for i := range f.variants {
		v := &f.variants[i]
		if len(v.params) == args || v.variadic && args >= len(v.params)-1 {
			return f, v
		}
	}
	return f, nil
}

// param is the kind that an argument has to have.
func (v *variant) param(i int) kind {
	if len(v.params) == 0 {
		return unknown
	}
	return v.params[min(i, len(v.params)-1)]
}

// Create gives the statements that make the schema "spark" and the macros of the names in it, and all that those call.
// They stand in one text, to be run at once. longest is the length in bytes of the longest text that calls them.
//
// DuckDB places a mistake that it finds in the body of a macro, say a type that it has no function for, where the macro
// was written. The statements begin behind the end of every text, so that MacroAt tells such a place from one in a query;
// there is room for what a query becomes when it is written again.
func Create(names []string, longest int) string {
	var b strings.Builder
	b.WriteString(strings.Repeat(" ", 1<<16+4*longest) + "CREATE SCHEMA IF NOT EXISTS " + Schema + ";\n")
	done := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if done[name] {
			return
		}
		done[name] = true
		plain, mode := splitMode(name)
		text := mode.body(plain)
		if text == "" { // a function that is written with other macros
			for _, called := range bodyCalls(plain) {
				add(called + mode.suffix())
			}
			return
		}
		for _, called := range mode.calls(text) {
			add(called)
		}
		b.WriteString("CREATE OR REPLACE MACRO " + Schema + "." + quoteName(name) + mode.expand(text) + ";\n")
	}
	for _, name := range names {
		add(name)
	}
	return b.String()
}

// MacroAt is the name of the macro at an offset of what Create gave, or empty.
func MacroAt(created string, offset int) string {
	const before = "CREATE OR REPLACE MACRO " + Schema + "."
	if offset < 0 || offset > len(created) {
		return ""
	}
	i := strings.LastIndex(created[:offset], before)
	if i < 0 {
		return ""
	}
	name, _, _ := strings.Cut(created[i+len(before):], "(")
	return strings.Trim(name, `"`)
}

// macroText is what stands behind the name of a macro, with @ in front of the macros that it calls.
func macroText(name string) string {
	if text := macros[name]; text != "" {
		return text
	}
	f := functions()[name]
	if f == nil {
		return ""
	}
	var forms []string
	letters := []string{"a", "b", "c", "d", "e", "f"}
	for _, v := range f.variants {
		if !v.macro {
			continue
		}
		body := v.body
		for i := range v.params {
			body = strings.ReplaceAll(body, "$"+itoa(i+1), letters[i])
		}
		forms = append(forms, "("+strings.Join(letters[:len(v.params)], ", ")+") AS "+body)
	}
	return strings.Join(forms, ", ")
}

// bodyCalls are the macros that a function is written with.
func bodyCalls(name string) []string {
	var names []string
	if f := functions()[name]; f != nil {
		for _, v := range f.variants {
			names = append(names, macroCalls(v.body)...)
		}
	}
	return names
}

// macroCalls are the names behind @ in a text.
func macroCalls(text string) []string {
	var names []string
	for i := strings.IndexByte(text, '@'); i >= 0; i = strings.IndexByte(text, '@') {
		text = text[i+1:]
		names = append(names, text[:wordLength(text)])
	}
	return names
}
