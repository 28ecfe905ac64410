package yamlfile

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// Limits on what is read. A pipeline of 200 tables has about 20,000 tokens; the parser's time grows with the
// square of the tokens of one mapping.
const (
	maxTokens  = 50_000
	maxDepth   = 64
	maxAliases = 100
	maxNodes   = 100_000 // with every alias expanded
	maxBlank   = 50      // blank lines in a row: the scanner's time grows with their square
)

// reader turns one YAML file into nodes.
type reader struct {
	file    string
	src     source
	diags   *diag.List
	anchors map[string]*option.Value
	broken  []bareText // what is left out
}

// parseYAML reads a file's text. It returns nil when the text is not one YAML document within the limits; the reason
// is in diags then.
func parseYAML(file, content string, diags *diag.List) *option.Value {
	r := &reader{file: file, src: newSource(content), diags: diags, anchors: map[string]*option.Value{}}
	if !r.checkBlankLines() {
		return nil
	}
	doc, ok := r.parse()
	if !ok {
		return nil
	}
	before := len(*diags)
	root := r.node(doc)
	if root.Size > maxNodes {
		r.fail("LF0005", r.start(), "write the repeated parts out, or share less of them",
			"the file grows to more than %d values when its aliases are expanded", maxNodes)
		return nil
	}
	if diag.List((*diags)[before:]).HasErrors() && root.Kind != option.KindMapping {
		return nil
	}
	return root
}

// ${name} holds YAML's flow brackets. They are swapped for characters that mean nothing to YAML and that no text file
// holds, so that {expect: delay < ${max}} works without quotes. Columns stay what they are.
const maskOpen, maskClose = '\ufdd0', '\ufdd1'

var maskable = regexp.MustCompile(`\$\{[^{}"'\r\n]*\}`)

func mask(s string) string {
	return maskable.ReplaceAllStringFunc(s, func(m string) string {
		return "$" + string(maskOpen) + m[2:len(m)-1] + string(maskClose)
	})
}

var unmasker = strings.NewReplacer(string(maskOpen), "{", string(maskClose), "}")

func unmask(s string) string { return unmasker.Replace(s) }

func (r *reader) fail(code string, at diag.Range, help, format string, args ...any) {
	r.diags.Errorf(code, at, help, format, args...)
}

func (r *reader) start() diag.Range { return r.src.span(r.file, 0, 0) }

func (r *reader) checkBlankLines() bool {
	run := 0
	for i := range r.src.lines {
		if strings.TrimSpace(r.src.line(i)) != "" {
			run = 0
		} else if run++; run > maxBlank {
			r.fail("LF0006", r.src.span(r.file, r.src.lines[i], r.src.lines[i]), "remove the blank lines",
				"more than %d blank lines in a row", maxBlank)
			return false
		}
	}
	return true
}

// parse runs the YAML library, again as long as a text that needs quotes stands in its way, and answers for it: an
// input on which it panics is a mistake in the file too.
func (r *reader) parse() (body ast.Node, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			r.fail("LF0003", r.start(), "simplify the file until this goes away", "the YAML cannot be read: %v", p)
			body, ok = nil, false
		}
	}()
	tokens := lexer.Tokenize(mask(r.without()))
	if !r.checkTokens(tokens) {
		return nil, false
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		const most = 20
		if len(r.broken) < most && r.syntaxError(err) {
			return r.parse()
		}
		return nil, false
	}
	var docs []*ast.DocumentNode
	for _, d := range file.Docs {
		if d.Body != nil {
			docs = append(docs, d)
		}
	}
	switch len(docs) {
	case 1:
		return docs[0].Body, true
	case 0:
		r.fail("LF0004", r.start(), "write at least name: and tables:, or let lakeflow init write a pipeline", "the file is empty")
	default:
		r.fail("LF0004", r.first(docs[1].Body), "move it to a file of its own", "a second YAML document begins here")
	}
	return nil, false
}

// syntaxError reports why the YAML library gave up, and whether it may be tried again.
func (r *reader) syntaxError(err error) (again bool) {
	at, message := r.start(), err.Error()
	var syntax *yaml.SyntaxError
	if errors.As(err, &syntax) {
		message = unmask(syntax.Message)
		if syntax.Token != nil {
			at = r.tokenRange(syntax.Token)
		}
	}
	if r.mistaken(at) {
		return true
	}
	help := "check the indentation, and quote texts that hold \": \" or \" #\" or begin with one of []{}&*!|>%@`"
	if line := r.src.line(max(at.Start.Line, 1) - 1); strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t") {
		help = "indent with spaces: YAML allows no tabs there"
	}
	r.fail("LF0003", at, help, "not valid YAML: %s", strings.ReplaceAll(message, "'\t'", `'\t'`))
	return false
}

// checkTokens refuses, before the recursive parser sees it, what a pipeline file has no use for.
func (r *reader) checkTokens(tokens token.Tokens) bool {
	aliases, flow, count := 0, 0, 0
	var columns []int // of the block collections around the token
	for i, t := range tokens {
		count++
		switch t.Type {
		case token.CommentType:
			count--
		case token.TagType, token.DirectiveType, token.MappingKeyType:
			r.fail("LF0007", r.tokenRange(t), "leave it out; quote a text that begins with this character",
				"%s is YAML that a pipeline file has no use for", strconv.Quote(unmask(t.Value)))
			return false
		case token.AliasType, token.AnchorType:
			aliases++
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.SequenceEntryType, token.MappingValueType:
			at := t.Position.Column
			if t.Type == token.MappingValueType && i > 0 {
				at = tokens[i-1].Position.Column
			}
			for len(columns) > 0 && columns[len(columns)-1] >= at {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, at)
		}
		switch {
		case aliases > maxAliases:
			r.fail("LF0005", r.tokenRange(t), "write the repeated parts out", "more than %d anchors and aliases", maxAliases)
		case flow+len(columns) > maxDepth:
			r.fail("LF0006", r.tokenRange(t), "a pipeline file needs no more than 6 levels", "nested more than %d levels deep", maxDepth)
		case count > maxTokens:
			r.fail("LF0006", r.tokenRange(t), "split the pipeline into several", "more than %d YAML tokens", maxTokens)
		default:
			continue
		}
		return false
	}
	return true
}

// tokenRange is the place of a token on its first line.
func (r *reader) tokenRange(t *token.Token) diag.Range {
	start := r.src.offset(t.Position.Line, t.Position.Column)
	first, _, _ := strings.Cut(strings.TrimLeft(unmask(t.Origin), " \t\r\n"), "\n")
	end := min(start+max(len(strings.TrimSpace(first)), 1), r.src.lineEnd(start))
	return r.src.span(r.file, start, end)
}

// first is the place of a node's first token.
func (r *reader) first(n ast.Node) diag.Range {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return r.tokenRange(n.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return r.tokenRange(n.Key.GetToken())
	}
	return r.tokenRange(n.GetToken())
}

// node converts a value, with what it holds. A mistake is reported and becomes an empty value.
func (r *reader) node(n ast.Node) *option.Value {
	switch n := n.(type) {
	case *ast.MappingNode:
		values := n.Values
		if n.IsFlowStyle {
			values = r.splitText(values)
		}
		return r.mapping(values, r.first(n))
	case *ast.MappingValueNode:
		return r.mapping([]*ast.MappingValueNode{n}, r.first(n))
	case *ast.SequenceNode:
		s := &option.Value{Kind: option.KindList, At: r.tokenRange(n.GetToken()), Size: 1}
		for _, v := range n.Values {
			item := r.glued(v)
			if item == nil {
				item = r.node(v)
			}
			s.Items = append(s.Items, item)
			s.Size = grown(s.Size, item.Size)
		}
		return s
	case *ast.AnchorNode:
		v := r.node(n.Value)
		r.anchors[n.Name.GetToken().Value] = v
		return v
	case *ast.AliasNode:
		return r.alias(n)
	case *ast.LiteralNode:
		return r.literal(n)
	case nil:
		return &option.Value{At: r.start(), Size: 1}
	default:
		return r.scalar(n.GetToken())
	}
}

// glued gives a text such as localhost:9092 in [ ] inside { }, where the library takes the colon for that of a mapping. To YAML it is
// none, as no space follows. It gives nil for anything else.
func (r *reader) glued(v ast.Node) *option.Value {
	if m, ok := v.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) == 1 {
		v = m.Values[0]
	}
	pair, ok := v.(*ast.MappingValueNode)
	if !ok {
		return nil
	}
	value, ok := pair.Value.(ast.ScalarNode)
	if !ok || pair.Start == nil {
		return nil
	}
	key, colon, rest := pair.Key.GetToken(), pair.Start.Position, value.GetToken()
	quoted := key.Indicator == token.QuotedScalarIndicator || rest.Indicator == token.QuotedScalarIndicator
	if quoted || rest.Position.Line != colon.Line || rest.Position.Column != colon.Column+1 {
		return nil
	}
	joined := *key
	joined.Value += ":" + rest.Value
	return r.scalar(&joined)
}

func (r *reader) alias(n *ast.AliasNode) *option.Value {
	t := n.Value.GetToken()
	if v, ok := r.anchors[t.Value]; ok {
		return v
	}
	if name, behind, _ := strings.Cut(t.Value, " "); behind != "" && !identifier.MatchString(t.Value) {
		at := r.tokenRange(n.Start)
		at.End = r.tokenRange(t).End
		r.fail("LF0008", at, "quote it: "+strconv.Quote("* "+t.Value),
			"* in front of %s is YAML's sign for the value of an anchor", name)
		return &option.Value{At: at, Size: 1, Broken: true}
	}
	var known []string
	for name := range r.anchors {
		known = append(known, name)
	}
	slices.Sort(known)
	r.fail("LF0008", r.tokenRange(t), diag.DidYouMean(t.Value, known, "put &"+t.Value+" before the value that it stands for, above"),
		"no anchor &%s comes before this alias", t.Value)
	return &option.Value{At: r.tokenRange(t), Size: 1}
}

func (r *reader) mapping(values []*ast.MappingValueNode, at diag.Range) *option.Value {
	m := &option.Value{Kind: option.KindMapping, At: at, Size: 1}
	seen := map[string]diag.Range{}
	var merged []option.Entry
	for _, v := range values {
		if v.Key.IsMergeKey() {
			merged = append(merged, r.merge(v)...)
			continue
		}
		t := v.Key.GetToken()
		e := option.Entry{Key: unmask(t.Value), At: r.tokenRange(t)}
		if v.Key.Type() == ast.AliasType || v.Key.Type() == ast.AnchorType {
			r.fail("LF0007", e.At, "write the key itself", "an anchor or alias cannot be a key")
		}
		e.Value = r.node(v.Value)
		if first, ok := seen[e.Key]; ok {
			r.fail("LF0104", e.At, fmt.Sprintf("remove one of them; the first is on line %d", first.Start.Line), "the key %q occurs twice", e.Key)
			continue
		}
		seen[e.Key] = e.At
		m.Entries = append(m.Entries, e)
		m.Size = grown(m.Size, e.Value.Size)
	}
	for _, e := range merged {
		if _, ok := seen[e.Key]; !ok {
			seen[e.Key] = e.At
			m.Entries = append(m.Entries, e)
			m.Size = grown(m.Size, e.Value.Size)
		}
	}
	return m
}

// merge gives the entries that <<: brings in; of a list, the first mapping wins.
func (r *reader) merge(v *ast.MappingValueNode) []option.Entry {
	from := r.node(v.Value)
	list := []*option.Value{from}
	if from.Kind == option.KindList {
		list = from.Items
	}
	var entries []option.Entry
	for _, n := range list {
		if n.Kind != option.KindMapping {
			r.fail("LF0102", r.tokenRange(v.Key.GetToken()), "write <<: *name, where &name marks a mapping", "<< must be a mapping, not %s", n.Kind)
			continue
		}
		entries = append(entries, n.Entries...)
		if len(entries) > maxNodes {
			return entries[:maxNodes]
		}
	}
	return entries
}

func (r *reader) literal(n *ast.LiteralNode) *option.Value {
	value := ""
	if n.Value != nil {
		value = unmask(n.Value.Value)
	}
	start := r.src.offset(n.Start.Position.Line, n.Start.Position.Column)
	out := &option.Value{Kind: option.KindText, Scalar: value, Written: value, Size: 1, At: r.src.span(r.file, start, r.src.lineEnd(start))}
	out.Origin, _ = r.src.align(r.file, start, block, value)
	r.checkNUL(out)
	return out
}

func (r *reader) scalar(t *token.Token) *option.Value {
	start := r.src.offset(t.Position.Line, t.Position.Column)
	value := unmask(t.Value)
	n := &option.Value{Kind: option.KindText, Scalar: value, Written: value, Size: 1}
	style := plain
	switch t.Type {
	case token.SingleQuoteType:
		style = single
	case token.DoubleQuoteType:
		style = double
	case token.MappingValueType: // nothing stands after the colon
		return &option.Value{At: r.tokenRange(t), Size: 1}
	default:
		n.Kind, n.Scalar = resolve(value)
	}
	end := start
	n.Origin, end = r.src.align(r.file, start, style, value)
	n.At, n.Broken = r.src.span(r.file, start, end), r.isBroken(start)
	if n.Kind == option.KindFloat && math.IsInf(n.Scalar.(float64), 0) && !strings.Contains(strings.ToLower(value), "inf") {
		r.fail("LF0112", n.At, "write it in quotes to keep it as a text", "the number %s is too large", value)
	}
	r.checkNUL(n)
	return n
}

func (r *reader) checkNUL(n *option.Value) {
	if s, ok := n.Scalar.(string); ok && strings.ContainsRune(s, 0) {
		r.fail("LF0002", n.At, "remove \\0 from the text", "the text holds a NUL character")
	}
}

var (
	wholeNumber = regexp.MustCompile(`^[-+]?(0|[1-9][0-9_]*|0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+)$`)
	realNumber  = regexp.MustCompile(`^[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// resolve gives the type of a plain scalar: YAML 1.2's core schema, except that digits after a leading zero are a text,
// which keeps 00123 as it is.
func resolve(s string) (option.Kind, any) {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return option.KindNull, nil
	case "true", "True", "TRUE":
		return option.KindBool, true
	case "false", "False", "FALSE":
		return option.KindBool, false
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return option.KindFloat, math.Inf(1)
	case "-.inf", "-.Inf", "-.INF":
		return option.KindFloat, math.Inf(-1)
	case ".nan", ".NaN", ".NAN":
		return option.KindFloat, math.NaN()
	}
	if wholeNumber.MatchString(s) {
		if i, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 0, 64); err == nil {
			return option.KindInt, i
		}
		return option.KindFloat, math.Inf(1) // reported as too large
	}
	if realNumber.MatchString(s) {
		f, _ := strconv.ParseFloat(s, 64) // infinite when out of range
		return option.KindFloat, f
	}
	return option.KindText, s
}

func grown(a, b int) int { return min(a+b, maxNodes+1) }

// validText reports what makes content not a text file, and where.
func validText(content string) (at int, what string) {
	for i, c := range content {
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(content[i:], string(utf8.RuneError)):
			return i, "a byte that is not UTF-8"
		case c == maskOpen || c == maskClose || c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f || c == '\ufeff':
			return i, fmt.Sprintf("the control character U+%04X", c)
		}
	}
	return 0, ""
}
