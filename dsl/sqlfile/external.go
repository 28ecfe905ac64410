package sqlfile

import (
	"slices"
	"strings"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
	"github.com/lakeflow/lakeflow/dsl/spark"
)

// resolve is the name of the relation that a table in a query means: one that the pipeline declares, or a source in the
// place of one that is somewhere else.
func (b *builder) resolve(s *scope, t spark.Table) string {
	if name, ok := b.known(s, t.Path); ok {
		return name
	}
	for _, name := range b.spellings(s, t.Path) {
		if source := b.opts.External[name]; source != nil {
			b.bySource[strings.ToLower(source.Name)] = source
			return source.Name
		}
	}
	if name, ok := b.known(&scope{catalog: b.opts.Catalog}, t.Path); ok { // LIVE.x is in the pipeline's own schema
		return name
	}
	full := strings.Join(t.Path, ".")
	if i := slices.IndexFunc(b.opts.Known, func(k string) bool { return strings.EqualFold(k, full) }); i >= 0 {
		return b.opts.Known[i]
	}
	b.unknown(full, t)
	return full
}

// known is the name of a table that the pipeline declares.
func (b *builder) known(s *scope, path []string) (string, bool) {
	n := b.named(s, path)
	d, ok := b.declared[n.key()]
	return d.inPipeline(), ok && sameCatalog(d.catalog, n.catalog)
}

// spellings are the names of a table somewhere else, in lower case: as it is written, and with the schema and catalog
// that are meant.
func (b *builder) spellings(s *scope, path []string) []string {
	full := slices.Clone(path)
	switch n := b.named(s, path); {
	case len(path) == 1 && s.schema != "":
		full = []string{s.schema, n.name}
	case len(path) == 1:
		full = []string{b.own, n.name}
	}
	all := []string{strings.ToLower(strings.Join(path, ".")), strings.ToLower(strings.Join(full, "."))}
	if s.catalog != "" && len(full) == 2 {
		all = append(all, strings.ToLower(s.catalog+"."+all[1]))
	}
	return all
}

// sameCatalog reports whether two catalogs may be one. One that is not told is any.
func sameCatalog(a, b string) bool { return a == "" || b == "" || strings.EqualFold(a, b) }

// unknown reports a table that is neither declared nor mapped, once. A source without anything stands in its place, so
// that nothing else is said of what reads it.
func (b *builder) unknown(full string, t spark.Table) {
	key := strings.ToLower(full)
	if b.bySource[key] != nil {
		return
	}
	b.bySource[key] = &dsl.Source{Node: option.Node{Range: t.Range, Flawed: true}, Name: full}
	var names []string
	for _, d := range b.declared {
		names = append(names, d.inPipeline())
	}
	slices.Sort(names)
	help := "say in lakeflow.yaml where its rows are: external: {" + full + ": {files: {path: data/" + t.Path[len(t.Path)-1] + ".parquet, format: parquet}}}"
	if near := diag.Suggest(full, append(names, b.opts.Known...)); near != "" {
		help = "did you mean " + near + "? For a table of somewhere else, " + help
	}
	b.diags.Errorf("LF0527", t.Range, help, "the pipeline does not declare %s, and nothing says where it is", full)
}
