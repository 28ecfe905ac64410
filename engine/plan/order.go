package plan

import (
	"context"
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/engine/graph"
)

// order sorts the datasets, upstream first, and reports every cycle. Then it is known which views a query reads.
func (c *compiler) order(context.Context) error {
	broken := map[[2]string]bool{}
	g := c.graph(broken)
	for len(g.Sort()) < len(c.datasets) {
		cycle := g.Cycle()
		// The query of the first name reads the one before it on the way round.
		reader, read := cycle[0], cycle[len(cycle)-2]
		c.diags.Errorf(codeCycle, c.referenceAt(reader, read), "one of these queries has to read something else",
			"the tables read each other in a cycle: %s", strings.Join(cycle, " → "))
		broken[[2]string{read, reader}] = true
		g = c.graph(broken)
	}
	onCycle := map[string]bool{}
	for edge := range broken {
		onCycle[edge[1]] = true
	}
	for _, name := range g.Sort() {
		d := c.entities[strings.ToLower(name)].dataset
		d.failed = d.failed || onCycle[name]
		c.ordered = append(c.ordered, d)
	}
	c.foldViews()
	return nil
}

// graph is the graph of the datasets without the broken edges.
func (c *compiler) graph(broken map[[2]string]bool) *graph.Graph {
	g := &graph.Graph{}
	for _, d := range c.datasets {
		g.AddNode(d.name)
	}
	for _, d := range c.datasets {
		for _, f := range d.flows {
			for _, r := range f.refs {
				if r.dataset != nil && r.guessed == "" && !broken[[2]string{r.name, d.name}] {
					g.AddEdge(r.name, d.name)
				}
			}
		}
	}
	return g
}

// referenceAt is where the dataset reader reads the other one.
func (c *compiler) referenceAt(reader, read string) diag.Range {
	d := c.entities[strings.ToLower(reader)].dataset
	for _, f := range d.flows {
		for _, r := range f.refs {
			if r.name == read && r.guessed == "" {
				return r.at
			}
		}
	}
	return d.decl.Range
}
