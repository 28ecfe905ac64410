package sqltext

import (
	"strings"

	"github.com/lakeflow/lakeflow/dsl/diag"
)

// Builder writes the text for DuckDB of a query, from left to right, and keeps for every byte of it which stretch of
// the user's text it stands for. Stretches of the user's text may come in any order, more than once, or not at all.
type Builder struct {
	q   *Query
	out strings.Builder
}

// NewBuilder begins with an empty text. raw is the query as written, after YAML, and at says where it stands.
func NewBuilder(raw string, at Origin) *Builder {
	return &Builder{q: &Query{Raw: raw, origin: at.dense(raw)}}
}

// Keep writes raw[start:end] as it is.
func (b *Builder) Keep(start, end int) {
	if start < end {
		b.q.pieces = append(b.q.pieces, piece{b.out.Len(), end - start, start, end - start, true})
		b.out.WriteString(b.q.Raw[start:end])
	}
}

// Put writes a text that stands for raw[start:end].
func (b *Builder) Put(text string, start, end int) {
	if text == "" {
		return
	}
	b.q.pieces = append(b.q.pieces, piece{b.out.Len(), len(text), start, end - start, false})
	b.out.WriteString(text)
}

// Len is how long the text is so far.
func (b *Builder) Len() int { return b.out.Len() }

// Place is where raw[start:end] stands in the user's file, widened to whole characters.
func (b *Builder) Place(start, end int) diag.Range { return b.q.rawRange(start, end) }

// Query ends the writing. The caller adds what else is known of the query.
func (b *Builder) Query() *Query {
	b.q.Text = b.out.String()
	return b.q
}
