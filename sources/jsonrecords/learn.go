package jsonrecords

import (
	"bytes"
	"context"
)

// learnRecords and learnBytes bound what a Learner keeps until it is judged.
const (
	learnRecords = 1024
	learnBytes   = 4 << 20
)

// Learner adds records to a shape, but for those that are refused for their known columns: types and columns come from
// records that are taken. It is used by one goroutine at a time.
type Learner struct {
	shape   *Shape
	fitter  *Fitter
	pending [][]byte
	bytes   int
}

// NewLearner makes a learner of records whose new keys are no mistake: the fitter must ignore them.
func NewLearner(shape *Shape, fitter *Fitter) *Learner { return &Learner{shape: shape, fitter: fitter} }

// Add takes a record, whose text stays the caller's. Doubtful says that it may be refused.
func (l *Learner) Add(ctx context.Context, text []byte, doubtful bool) (Found, error) {
	if !doubtful {
		return l.shape.Add(text), nil
	}
	l.pending = append(l.pending, bytes.Clone(text))
	if l.bytes += len(text); len(l.pending) < learnRecords && l.bytes < learnBytes {
		return Found{Odd: true}, nil
	}
	return Found{Odd: true}, l.Flush(ctx)
}

// Flush judges what is doubtful. It must be called at the end.
func (l *Learner) Flush(ctx context.Context) error {
	fitted, err := l.fitter.Fit(ctx, l.pending)
	for i, fit := range fitted {
		if fit.Reason == "" {
			l.shape.Add(l.pending[i])
		}
	}
	l.pending, l.bytes = nil, 0
	return err
}
