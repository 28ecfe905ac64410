package files

import "context"

type dialect struct{}
type csvFormat struct{}

func (csvFormat) open(ctx context.Context, w *work) error   { return nil }
func (csvFormat) infer(ctx context.Context, w *work) error  { return nil }
func (csvFormat) evolve(ctx context.Context, w *work) error { return nil }
func (csvFormat) strict(w *work, files []*file) string      { return "" }
func (csvFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	return
}
