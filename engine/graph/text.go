package graph

import (
	"fmt"
	"strings"
)

// Label is how a node is drawn.
type Label struct {
	// Lines are the lines of text in the node, the name first.
	Lines []string
	// Class groups nodes of the same look: bronze, silver, gold, source, or empty.
	Class string
	// Shape is box (the default), cylinder or rounded.
	Shape string
}

// style of the classes that lakeflow draws; other classes have none.
func style(class string) (fill, stroke string) {
	switch class {
	case "bronze":
		return "#f3dfcf", "#a5673f"
	case "silver":
		return "#e6eaee", "#7b8794"
	case "gold":
		return "#fbefc4", "#c29a1c"
	case "source":
		return "#dcebfa", "#3d7ab8"
	}
	return "#ffffff", "#555555"
}

// DOT returns the graph in Graphviz's language, left to right. label says how each node is drawn; edge gives the text
// of an edge, empty for none.
func (g *Graph) DOT(title string, label func(name string) Label, edge func(from, to string) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR;\n  node [fontname=\"Helvetica\", style=filled];\n", dotQuote(title))
	for _, n := range g.names {
		l := label(n)
		fill, stroke := style(l.Class)
		fmt.Fprintf(&b, "  %s [label=%s, shape=%s, fillcolor=%q, color=%q];\n",
			dotQuote(n), dotQuote(strings.Join(l.Lines, "\n")), dotShape(l.Shape), fill, stroke)
	}
	g.edges(func(from, to int) {
		fmt.Fprintf(&b, "  %s -> %s", dotQuote(g.names[from]), dotQuote(g.names[to]))
		if text := edge(g.names[from], g.names[to]); text != "" {
			fmt.Fprintf(&b, " [label=%s]", dotQuote(text))
		}
		b.WriteString(";\n")
	})
	b.WriteString("}\n")
	return b.String()
}

func dotShape(shape string) string {
	switch shape {
	case "cylinder":
		return "cylinder"
	case "rounded":
		return "ellipse"
	}
	return "box"
}

func dotQuote(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	s = strings.ReplaceAll(s, `"`, `\"`)
	return `"` + strings.ReplaceAll(s, "\n", `\n`) + `"`
}

// Mermaid returns the graph as a Mermaid flowchart, left to right. Nodes are numbered, because a name may hold
// characters that Mermaid does not take.
func (g *Graph) Mermaid(label func(name string) Label, edge func(from, to string) string) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	classes := map[string][]string{}
	var order []string
	for i, n := range g.names {
		l := label(n)
		id := fmt.Sprintf("n%d", i)
		left, right := mermaidShape(l.Shape)
		fmt.Fprintf(&b, "  %s%s\"%s\"%s\n", id, left, mermaidText(strings.Join(l.Lines, "\n")), right)
		if l.Class == "" {
			continue
		}
		if classes[l.Class] == nil {
			order = append(order, l.Class)
		}
		classes[l.Class] = append(classes[l.Class], id)
	}
	g.edges(func(from, to int) {
		arrow := "-->"
		if text := edge(g.names[from], g.names[to]); text != "" {
			arrow = fmt.Sprintf("-->|\"%s\"|", mermaidText(text))
		}
		fmt.Fprintf(&b, "  n%d %s n%d\n", from, arrow, to)
	})
	for _, c := range order {
		fill, stroke := style(c)
		fmt.Fprintf(&b, "  classDef %s fill:%s,stroke:%s,color:#111\n", c, fill, stroke)
		fmt.Fprintf(&b, "  class %s %s\n", strings.Join(classes[c], ","), c)
	}
	return b.String()
}

func mermaidShape(shape string) (left, right string) {
	switch shape {
	case "cylinder":
		return "[(", ")]"
	case "rounded":
		return "(", ")"
	}
	return "[", "]"
}

func mermaidText(s string) string {
	return strings.NewReplacer("&", "&amp;", `"`, "#quot;", "<", "&lt;", ">", "&gt;", "\n", "<br/>").Replace(s)
}

// edges calls yield for every edge, in the order of the nodes that are read.
func (g *Graph) edges(yield func(from, to int)) {
	for from, tos := range g.down {
		for _, to := range tos {
			yield(from, to)
		}
	}
}
