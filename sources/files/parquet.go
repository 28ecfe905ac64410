package files

import "context"

type parquetFormat struct{}

func (parquetFormat) open(ctx context.Context, w *work) error   { return nil }
func (parquetFormat) infer(ctx context.Context, w *work) error  { return nil }
func (parquetFormat) evolve(ctx context.Context, w *work) error { return nil }
func (parquetFormat) strict(w *work, files []*file) string      { return "" }
func (parquetFormat) tolerant(ctx context.Context, w *work, files []*file) (good, rejects string, err error) {
	return
}
