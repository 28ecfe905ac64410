package plan

import (
	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/engine/syntax"
)

// foldViews makes the queries of views part of those that read them.
func (c *compiler) foldViews() {
	for _, d := range c.ordered { // upstream first
		for _, f := range d.flows {
			parts := []any{f.out.Fingerprint}
			for _, r := range f.refs {
				if r.dataset == nil || r.dataset.decl.Kind != dsl.View {
					continue
				}
				for _, v := range r.dataset.flows {
					parts = append(parts, v.out.Fingerprint)
					if f.out.Shape.Views == nil {
						f.out.Shape.Views = map[string]Shape{}
					}
					f.out.Shape.Views[r.name] = v.out.Shape
				}
			}
			if len(parts) > 1 {
				f.out.Fingerprint = syntax.Fingerprint(parts...)
			}
		}
	}
}
