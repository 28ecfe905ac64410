package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"sort"

	"github.com/lakeflow/lakeflow/dsl"
)

// foldViews makes the queries of views part of those that read them.
func (c *compiler) foldViews() {
	for _, d := range c.ordered { // upstream first
		for _, f := range d.flows {
			tree := []any{f.out.Fingerprint}
			for _, r := range f.refs {
				if r.dataset == nil || r.dataset.decl.Kind != dsl.View {
					continue
				}
				for _, v := range r.dataset.flows {
					tree = append(tree, v.out.Fingerprint)
					if f.out.Shape.Views == nil {
						f.out.Shape.Views = map[string]Shape{}
					}
					f.out.Shape.Views[r.name] = v.out.Shape
				}
			}
			if len(tree) > 1 {
				f.out.Fingerprint = fingerprint(tree)
			}
		}
	}
}

// fingerprint hashes a syntax tree. Places are left out, and so is every empty value: a field that a later
// DuckDB adds with its default does not make an unchanged query look changed.
func fingerprint(tree any) string {
	h := sha256.New()
	hashTree(h, tree)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func hashTree(h hash.Hash, v any) {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k, e := range v {
			if k != "query_location" && !empty(e) {
				keys = append(keys, k)
			}
		}
		sort.Strings(keys)
		fmt.Fprintf(h, "{%d", len(keys))
		for _, k := range keys {
			fmt.Fprintf(h, "%q:", k)
			hashTree(h, v[k])
		}
	case []any:
		fmt.Fprintf(h, "[%d", len(v))
		for _, e := range v {
			hashTree(h, e)
		}
	default:
		fmt.Fprintf(h, "%T%#v;", v, v)
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		for k, e := range v {
			if k != "query_location" && !empty(e) {
				return false
			}
		}
		return true
	}
	return false
}
