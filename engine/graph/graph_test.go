package graph

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// build makes a graph of "a>b" edges and bare "a" nodes.
func build(parts ...string) *Graph {
	g := &Graph{}
	for _, p := range parts {
		if from, to, ok := strings.Cut(p, ">"); ok {
			g.AddEdge(from, to)
		} else {
			g.AddNode(p)
		}
	}
	return g
}

func TestSortKeepsDeclarationOrderAmongEquals(t *testing.T) {
	g := build("d", "c", "b", "a", "a>c", "b>c")
	if diff := cmp.Diff([]string{"d", "b", "a", "c"}, g.Sort()); diff != "" {
		t.Error(diff)
	}
}

func TestSortOfDiamond(t *testing.T) {
	g := build("gold", "bronze", "s2", "s1", "bronze>s1", "bronze>s2", "s1>gold", "s2>gold")
	if diff := cmp.Diff([]string{"bronze", "s2", "s1", "gold"}, g.Sort()); diff != "" {
		t.Error(diff)
	}
}

func TestCycleIsTheShortest(t *testing.T) {
	for name, tc := range map[string]struct {
		edges []string
		want  []string
	}{
		"none":          {[]string{"a>b", "b>c"}, nil},
		"self":          {[]string{"a>b", "b>b"}, []string{"b", "b"}},
		"two":           {[]string{"a>b", "b>a"}, []string{"a", "b", "a"}},
		"long or short": {[]string{"a>b", "b>c", "c>d", "d>a", "c>b"}, []string{"b", "c", "b"}},
		"first of two":  {[]string{"x", "a", "b", "a>b", "b>a", "x>y", "y>x"}, []string{"x", "y", "x"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, build(tc.edges...).Cycle()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func drawing(name string) Label {
	return Label{Lines: []string{name, `kind "q"`}, Class: "bronze", Shape: "cylinder"}
}

func arrow(from, _ string) string {
	if from == "a" {
		return "stream"
	}
	return ""
}

func TestDOT(t *testing.T) {
	want := `digraph "p" {
  rankdir=LR;
  node [fontname="Helvetica", style=filled];
  "a" [label="a\nkind \"q\"", shape=cylinder, fillcolor="#f3dfcf", color="#a5673f"];
  "b" [label="b\nkind \"q\"", shape=cylinder, fillcolor="#f3dfcf", color="#a5673f"];
  "c" [label="c\nkind \"q\"", shape=cylinder, fillcolor="#f3dfcf", color="#a5673f"];
  "a" -> "b" [label="stream"];
  "b" -> "c";
}
`
	if diff := cmp.Diff(want, build("a>b", "b>c").DOT("p", drawing, arrow)); diff != "" {
		t.Error(diff)
	}
}

func TestMermaid(t *testing.T) {
	want := `flowchart LR
  n0[("a<br/>kind #quot;q#quot;")]
  n1[("b<br/>kind #quot;q#quot;")]
  n0 -->|"stream"| n1
  classDef bronze fill:#f3dfcf,stroke:#a5673f,color:#111
  class n0,n1 bronze
`
	if diff := cmp.Diff(want, build("a>b").Mermaid(drawing, arrow)); diff != "" {
		t.Error(diff)
	}
}

// TestSortProperties checks random graphs: an acyclic one is sorted in full with every edge pointing forward and is the
// smallest such order; one with a cycle has a cycle path along its own edges, and the sort is short.
func TestSortProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "nodes")
		g := &Graph{}
		for i := range n {
			g.AddNode(fmt.Sprint(i))
		}
		edges := map[[2]int]bool{}
		for range rapid.IntRange(0, 24).Draw(t, "edges") {
			e := [2]int{rapid.IntRange(0, n-1).Draw(t, "from"), rapid.IntRange(0, n-1).Draw(t, "to")}
			edges[e] = true
			g.AddEdge(fmt.Sprint(e[0]), fmt.Sprint(e[1]))
		}
		order, cycle := g.Sort(), g.Cycle()
		if (cycle != nil) != (len(order) < n) {
			t.Fatalf("cycle %v but sorted %v", cycle, order)
		}
		for k := 0; k+1 < len(cycle); k++ {
			var e [2]int
			fmt.Sscan(cycle[k], &e[0])
			fmt.Sscan(cycle[k+1], &e[1])
			if !edges[e] {
				t.Fatalf("cycle %v uses an edge that is not there", cycle)
			}
		}
		if cycle != nil {
			return
		}
		if want := smallestOrder(n, edges); !slices.Equal(want, order) {
			t.Fatalf("Sort = %v, want %v", order, want)
		}
	})
}

// smallestOrder is the plain definition of Sort: again and again take the first node that waits for nothing.
func smallestOrder(n int, edges map[[2]int]bool) []string {
	done := make([]bool, n)
	var out []string
	for len(out) < n {
		for i := range n {
			free := !done[i]
			for e := range edges {
				if e[1] == i && !done[e[0]] {
					free = false
				}
			}
			if free {
				done[i] = true
				out = append(out, fmt.Sprint(i))
				break
			}
		}
	}
	return out
}
