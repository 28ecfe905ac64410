package yamlfile

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// complete reports what a pipeline file lacks.
func (b *builder) complete(s *specPipeline, at diag.Range) {
	if !s.Has("name") {
		b.decoder.Missing("name", at, "")
	}
	if !s.Has("tables") && !s.Has("sql") {
		b.decoder.Missing("tables", at, "")
	}
}

// besideSQL is what the file says of .sql files, and what their pipeline is where it says nothing.
func (b *builder) besideSQL(p *dsl.Pipeline, s *specPipeline) {
	if o := b.opts.Beside; o != nil {
		p.File, p.Dir = o.File, o.Dir
		if s.Name == nil {
			p.Name = o.Name
		}
		if s.Target.Schema == nil {
			p.Target.Schema = p.Name
		}
		if s.Target.Warehouse == nil {
			p.Target.Warehouse = filepath.Join(o.Dir, "warehouse")
		}
	}
	sql := &p.SQL
	for _, x := range s.SQL {
		sql.Files = append(sql.Files, dsl.Pattern{Node: option.Node{Range: x.at}, Text: x.text})
	}
	if s.Catalog != nil {
		sql.Catalog = *s.Catalog
	}
	sql.Configuration, sql.Paths, sql.Topics = map[string]string{}, map[string]string{}, map[string]string{}
	for name, value := range b.texts.Params {
		sql.Configuration[name] = plainText(value)
	}
	for key, x := range s.Config {
		sql.Configuration[key] = plainText(x.Value)
	}
	for key, value := range b.opts.Params {
		sql.Configuration[key] = value
	}
	for prefix, x := range s.Paths {
		sql.Paths[prefix] = b.texts.Path(x.text, x.At("path"))
	}
	for topic, x := range s.Topics {
		sql.Topics[topic] = x.Brokers
	}
	for _, name := range inOrder(s.External, func(x specSource) option.Node { return x.Node }) {
		x, before := s.External[name], len(*b.diags)
		source := b.sourceNamed(name, &x, "external."+name)
		source.Flawed = source.Flawed || option.Flawed((*b.diags)[before:])
		sql.External = append(sql.External, source)
	}
	b.functions(p, s)
}

func (b *builder) functions(p *dsl.Pipeline, s *specPipeline) {
	for _, name := range inOrder(s.Functions, func(x specFunction) option.Node { return x.Node }) {
		x, before := s.Functions[name], len(*b.diags)
		b.name("function", name, x.Range)
		f := &dsl.Function{Node: x.Node, Name: name}
		for _, parameter := range x.Parameters {
			text := parameter.Wanted(b.diags, "write the name of a parameter", "the name of the parameter is empty")
			b.name("parameter", text, x.At("parameters"))
			f.Parameters = append(f.Parameters, text)
		}
		if x.SQL == nil {
			continue // which is reported
		}
		f.SQL, _ = b.query(x.SQL, name)
		f.Flawed = option.Flawed((*b.diags)[before:])
		if f.SQL != nil {
			p.Functions = append(p.Functions, f)
		}
	}
}

// plainText is a value as it stands in the text of a .sql file.
func plainText(value any) string {
	if value == nil {
		return "NULL"
	}
	return strings.TrimSpace(cmp.Or(fmt.Sprint(value), ""))
}
