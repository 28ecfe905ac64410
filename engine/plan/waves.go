package plan

import "slices"

// Inputs are the sources and tables that a flow reads through STREAM, views resolved.
func (p *Plan) Inputs(f *Flow) []string { return p.leaves(f, true, nil) }

// Whole are the sources and tables that a flow reads in full, views resolved.
func (p *Plan) Whole(f *Flow) []string { return p.leaves(f, false, nil) }

func (p *Plan) leaves(f *Flow, stream bool, found []string) []string {
	visit := func(names []string, leaf bool) {
		for _, name := range names {
			if d := p.Dataset(name); d != nil && !d.Refresh.Stored() {
				for _, vf := range d.Flows {
					found = p.leaves(vf, stream, found)
				}
			} else if leaf && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	visit(f.Streams, stream)
	visit(f.Reads, !stream)
	return found
}

// schedule puts the tables into waves. What a streaming table reads in full is brought up to date in an earlier wave:
// otherwise its rows would be joined with what a table held before the update, or with half of what it is about to
// hold. Everything else is in the latest wave that this allows, so that as many tables as possible share their batches
// and commits.
func (p *Plan) schedule() {
	first := map[string]int{}
	last := 0
	for _, d := range p.Datasets {
		for _, f := range d.Flows {
			for _, name := range p.Inputs(f) {
				first[d.Name] = max(first[d.Name], first[name])
			}
			for _, name := range p.Whole(f) {
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
			for _, name := range p.Whole(f) {
				p.atLatest(name, d.Wave-p.apart(d, name))
			}
		}
	}
}

// apart is by how many waves a table comes before one that reads it in full. Materialized views are computed at the end
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
