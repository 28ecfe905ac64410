package files

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/text/transform"
)

// textFile is an opened text file, decompressed by its extension as DuckDB does.
type textFile struct {
	*bufio.Reader
	close   []func() error
	origins *origins // of a file of another encoding
}

// origin returns where in the file, once it is decompressed, stands what is at an offset of the text; it is asked for
// one after the other. -1 is unknown.
func (t *textFile) origin(offset int64) int64 {
	if t.origins == nil {
		return offset
	}
	return t.origins.of(offset)
}

func openText(path string) (*textFile, error) {
	t, err := openPacked(path)
	if err != nil {
		return nil, err
	}
	head, _ := t.Peek(foreignHead) // what goes wrong goes wrong again when it is read
	if err := unread(head); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// openPacked opens a text of any encoding.
func openPacked(path string) (*textFile, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &textFile{close: []func() error{f.Close}}
	raw := t.buffered(f)
	if _, err := raw.Peek(1); errors.Is(err, io.EOF) {
		t.Reader = raw // nothing in it: also fine for .gz, a file that was just made
		return t, nil
	}
	if err := misnamed(raw, path); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	switch {
	case strings.HasSuffix(path, ".gz"):
		z, err := gzip.NewReader(raw)
		if err != nil {
			return nil, t.finish(err)
		}
		t.close = append(t.close, z.Close)
		t.Reader = t.buffered(z)
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewReader(raw, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, errors.Join(err, t.Close())
		}
		t.close = append(t.close, func() error { z.Close(); return nil })
		t.Reader = t.buffered(z)
	default:
		t.Reader = raw
	}
	return t, nil
}

// openEncoded opens a text file of another encoding, and decodes it to UTF-8: utf-16, latin-1 or windows-1252; empty
// and utf-8 are left as they are.
func openEncoded(path, name string) (*textFile, error) {
	decoder := decoders[name]
	if decoder == nil {
		return openText(path)
	}
	t, err := openPacked(path)
	if err != nil {
		return nil, err
	}
	head, err := t.Peek(utf16Head)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, t.finish(err)
	}
	if name == "utf-16" && !mayBeUTF16(head) {
		return nil, errors.Join(&unsupportedError{"it is not written in UTF-16, as encoding: utf-16 says", "save it as UTF-16, or read it as a source of its own without that encoding"}, t.Close())
	}
	t.origins = &origins{in: transform.NewReader(t.Reader, decoder()), size: sizes[name]}
	t.Reader = t.buffered(t.origins)
	return t, nil
}

// buffers are kept for the next files: of a thousand small files each would otherwise clear its own 256 KiB.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 256<<10) }}

// buffered reads through a buffer that is handed back when the file is closed: what was read from it is not good any
// longer then.
func (t *textFile) buffered(from io.Reader) *bufio.Reader {
	buf := buffers.Get().(*bufio.Reader)
	buf.Reset(from)
	t.close = append(t.close, func() error {
		buf.Reset(nil)
		buffers.Put(buf)
		return nil
	})
	return buf
}

// Close releases the decompressor and the file.
func (t *textFile) Close() error {
	var errs []error
	for i := len(t.close) - 1; i >= 0; i-- {
		errs = append(errs, t.close[i]())
	}
	t.close = nil // the buffers may be another's now
	return errors.Join(errs...)
}

// finish closes the file after it was read, up to its end or to an error.
func (t *textFile) finish(err error) error {
	closing := t.Close() // a decompressor may repeat err
	if err == nil {
		err = closing // or tell what it found while it read ahead
	}
	return decompression(err)
}

var bom = []byte("\xef\xbb\xbf")

// skipBOM steps over a byte order mark and says whether there was one.
func (t *textFile) skipBOM() bool {
	head, _ := t.Peek(len(bom))
	if !bytes.Equal(head, bom) {
		return false
	}
	_, _ = t.Discard(len(bom)) // it was peeked
	return true
}

// compressed files can be corrupt as a whole; others are only text.
func compressed(path string) bool {
	return strings.HasSuffix(path, ".gz") || strings.HasSuffix(path, ".zst")
}

// drain reads a compressed file to its end, to see whether it is whole.
func drain(path string) error {
	t, err := openText(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, t.Reader)
	return t.finish(err)
}

// damagedError says that a compressed file is not whole.
type damagedError struct{ why string }

func (e *damagedError) Error() string { return e.why }

// decompression says in words what ended the reading of a compressed file.
func decompression(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*damagedError)), errors.As(err, new(*unsupportedError)):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &damagedError{"it ends too early"}
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, zstd.ErrCRCMismatch):
		return &damagedError{"its checksum is wrong"}
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return err
	}
	return fmt.Errorf("decompress: %w", err)
}
