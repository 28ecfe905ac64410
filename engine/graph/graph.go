// Package graph is a directed acyclic graph over names, with a stable order. An edge a → b says that b reads a, so that
// a comes first. The package does no I/O and knows nothing of pipelines.
package graph

import "slices"

// Graph is a directed graph. The zero Graph is empty and ready for use. It is not safe for use by several goroutines
// while it is being built.
type Graph struct {
	names []string       // in the order they were added
	index map[string]int // name → position in names
	down  [][]int        // by position: who reads it, in the order the edges were added
	up    [][]int        // by position: what it reads
}

// AddNode adds a node; adding it again changes nothing.
func (g *Graph) AddNode(name string) { g.node(name) }

// AddEdge says that to reads from. Nodes that are not there yet are added, from first; an edge that is there already
// changes nothing.
func (g *Graph) AddEdge(from, to string) {
	a, b := g.node(from), g.node(to)
	if slices.Contains(g.down[a], b) {
		return
	}
	g.down[a] = append(g.down[a], b)
	g.up[b] = append(g.up[b], a)
}

func (g *Graph) node(name string) int {
	if i, ok := g.index[name]; ok {
		return i
	}
	if g.index == nil {
		g.index = map[string]int{}
	}
	i := len(g.names)
	g.index[name] = i
	g.names = append(g.names, name)
	g.down = append(g.down, nil)
	g.up = append(g.up, nil)
	return i
}

// Sort returns every node after all that it reads; among nodes that could come next, the one added first does. Nodes on
// a cycle and those behind one are left out, so nodes are missing from the result exactly when there is a cycle.
func (g *Graph) Sort() []string {
	waiting := make([]int, len(g.names))
	var ready intHeap
	for i := range g.names {
		waiting[i] = len(g.up[i])
		if waiting[i] == 0 {
			ready.push(i)
		}
	}
	order := make([]string, 0, len(g.names))
	for len(ready) > 0 {
		i := ready.pop()
		order = append(order, g.names[i])
		for _, j := range g.down[i] {
			if waiting[j]--; waiting[j] == 0 {
				ready.push(j)
			}
		}
	}
	return order
}

// Cycle returns a shortest cycle in the direction of the edges, its first name repeated at the end, or nil. Among the
// shortest it is the one through the node that was added first, and it begins there.
func (g *Graph) Cycle() []string {
	var best []int
	for start := range g.names {
		if path := g.shortestBack(start, len(best)); path != nil {
			best = path
		}
	}
	if best == nil {
		return nil
	}
	return g.pick(append(best, best[0]))
}

// shortestBack finds the shortest path from start back to itself with fewer than limit nodes (no limit when 0).
func (g *Graph) shortestBack(start, limit int) []int {
	type step struct{ node, prev int }
	steps := []step{{start, -1}}
	depth := []int{1}
	seen := map[int]bool{}
	for at := 0; at < len(steps); at++ {
		if limit > 0 && depth[at] >= limit {
			return nil
		}
		for _, j := range g.down[steps[at].node] {
			if j == start {
				var path []int
				for k := at; k >= 0; k = steps[k].prev {
					path = append(path, steps[k].node)
				}
				slices.Reverse(path)
				return path
			}
			if !seen[j] {
				seen[j] = true
				steps = append(steps, step{j, at})
				depth = append(depth, depth[at]+1)
			}
		}
	}
	return nil
}

func (g *Graph) pick(nodes []int) []string {
	out := make([]string, len(nodes))
	for k, i := range nodes {
		out[k] = g.names[i]
	}
	return out
}

// intHeap is a binary min-heap.
type intHeap []int

func (h *intHeap) push(v int) {
	*h = append(*h, v)
	s := *h
	for i := len(s) - 1; i > 0; {
		p := (i - 1) / 2
		if s[p] <= s[i] {
			return
		}
		s[p], s[i] = s[i], s[p]
		i = p
	}
}

func (h *intHeap) pop() int {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	s = s[:last]
	*h = s
	for i := 0; ; {
		c := 2*i + 1
		if c >= last {
			return top
		}
		if c+1 < last && s[c+1] < s[c] {
			c++
		}
		if s[i] <= s[c] {
			return top
		}
		s[i], s[c] = s[c], s[i]
		i = c
	}
}
