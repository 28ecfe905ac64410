package plan

import "slices"

// reading is what a flow reads of a source or table.
type reading int

const (
	newRows reading = iota // STREAM
	changed                // STREAM CHANGES
	whole
)

// Inputs are the sources and tables that a flow reads through STREAM, views resolved.
func (p *Plan) Inputs(f *Flow) []string { return p.leaves(f, newRows, nil) }

// Changed are the tables whose changes a flow reads, views resolved.
func (p *Plan) Changed(f *Flow) []string { return p.leaves(f, changed, nil) }

// Whole are the sources and tables that a flow reads in full, views resolved.
func (p *Plan) Whole(f *Flow) []string { return p.leaves(f, whole, nil) }

func (p *Plan) leaves(f *Flow, want reading, found []string) []string {
	visit := func(names []string, how reading) {
		for _, name := range names {
			if d := p.Dataset(name); d != nil && !d.Refresh.Stored() {
				for _, vf := range d.Flows {
					found = p.leaves(vf, want, found)
				}
			} else if how == want && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	visit(f.Streams, newRows)
	visit(f.Changes, changed)
	visit(f.Reads, whole)
	return found
}

// schedule puts the tables into waves. What a streaming table reads in full is brought up to date in an earlier wave:
// otherwise its rows would be joined with what a table held before the update, or with half of what it is about to
// hold. What is changed in a table is read when that is committed, in a later wave too. Everything else is in the latest
// wave that this allows, so that as many tables as possible share their batches and commits.
func (p *Plan) schedule() {
	first := map[string]int{}
	last := 0
	for _, d := range p.Datasets {
		for _, f := range d.Flows {
			for _, name := range p.Inputs(f) {
				first[d.Name] = max(first[d.Name], first[name])
			}
			for _, name := range slices.Concat(p.Whole(f), p.Changed(f)) {
				first[d.Name] = max(first[d.Name], first[name]+p.apart(d, name))
			}
		}
		last = max(last, first[d.Name])
	}
	p.Waves = last + 1
	for _, d := range p.Datasets {
		d.Wave = last
	}
	for _, d := range slices.Backward(p.Datasets) {
		if !d.Refresh.Stored() {
			continue
		}
		for _, f := range d.Flows {
			for _, name := range p.Inputs(f) {
				p.atLatest(name, d.Wave)
			}
			for _, name := range slices.Concat(p.Whole(f), p.Changed(f)) {
				p.atLatest(name, d.Wave-p.apart(d, name))
			}
		}
	}
}

// apart is by how many waves a table comes before one that reads it in full, or its changes. Materialized views are computed at the end
// of a wave, one after the other.
func (p *Plan) apart(reader *Dataset, name string) int {
	if reader.Refresh.Resumes() && p.Dataset(name) != nil {
		return 1
	}
	return 0
}

func (p *Plan) atLatest(name string, wave int) {
	if d := p.Dataset(name); d != nil {
		d.Wave = min(d.Wave, wave)
	}
}
