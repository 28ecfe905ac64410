package kafka

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

// aheadBytes bounds the lines that are being made into records, or have been and wait for their turn.
const aheadBytes = 4 << 20

// block is some lines of a file, which a goroutine of its own makes into records.
type block struct {
	lines   []byte
	records []*kgo.Record
	err     error
	made    chan struct{} // closed when the records, or the error, are there
}

// records gives the records of the file in the order of its lines. They are made on all cores, a little ahead; nothing
// of that goes on when the loop is left.
func (s *Sink) records(f *rowFile, commit int64) iter.Seq2[[]*kgo.Record, error] {
	headers := []kgo.RecordHeader{{Key: CommitHeader, Value: strconv.AppendInt(nil, commit, 10)}}
	return func(yield func([]*kgo.Record, error) bool) {
		var ahead []*block
		defer func() {
			for _, b := range ahead {
				<-b.made
			}
		}()
		var end error
		for size := 0; ; {
			for end == nil && (len(ahead) == 0 || size < aheadBytes) {
				b := &block{made: make(chan struct{})}
				if b.lines, end = f.lines(); end == nil {
					go s.makeRecords(b, f.keyed, headers)
					ahead, size = append(ahead, b), size+len(b.lines)
				}
			}
			if len(ahead) == 0 {
				break
			}
			b := ahead[0]
			<-b.made
			ahead, size = slices.Delete(ahead, 0, 1), size-len(b.lines)
			if !yield(b.records, b.err) || b.err != nil {
				return
			}
		}
		if !errors.Is(end, io.EOF) {
			yield(nil, fmt.Errorf("read the rows: %w", end))
		}
	}
}

func (s *Sink) makeRecords(b *block, keyed bool, headers []kgo.RecordHeader) {
	defer close(b.made)
	b.records = make([]*kgo.Record, 0, bytes.Count(b.lines, []byte{'\n'}))
	var enc *avroEncoder
	if s.avro != nil {
		enc = s.avro.encoder()
	}
	for line := range bytes.Lines(b.lines) {
		key, value, err := s.record(line[:len(line)-1], keyed, enc)
		if err != nil {
			b.err = err
			return
		}
		// Each has memory of its own: a record that waits for its broker keeps that of no other.
		b.records = append(b.records, &kgo.Record{Topic: s.cfg.Topic, Headers: headers, Key: bytes.Clone(key), Value: bytes.Clone(value)})
	}
}

// record divides a line into the key and the value, which is nil where the row of the key is gone.
func (s *Sink) record(line []byte, keyed bool, enc *avroEncoder) (key, value []byte, err error) {
	value = line
	if keyed {
		if key, value, err = divide(line); err != nil {
			return nil, nil, err
		}
		if string(value) == "null" { // a row is an object
			return key, nil, nil
		}
	}
	if enc != nil {
		value, err = enc.encode(value)
	}
	return key, value, err
}

var (
	keyBegins, keyNull = []byte(`{"k":"`), []byte(`{"k":null,"v":`)
	keyEnds            = []byte(`","v":`)
)

// divide takes {"k":"…","v":…} apart. The value stays as it is.
func divide(line []byte) (key, value []byte, err error) {
	if rest, ok := bytes.CutPrefix(line, keyNull); ok {
		return nil, rest[:len(rest)-1], nil
	}
	rest, ok := bytes.CutPrefix(line, keyBegins)
	end := bytes.IndexByte(rest, '"')
	if simple := bytes.IndexByte(rest[:max(end, 0)], '\\') < 0; !simple {
		for end = 0; end < len(rest) && rest[end] != '"'; end++ {
			if rest[end] == '\\' {
				end++
			}
		}
	}
	if !ok || end < 0 || !bytes.HasPrefix(rest[min(end, len(rest)):], keyEnds) {
		return nil, nil, errors.New("read the rows: a line has no key")
	}
	key, value = rest[:end:end], rest[end+len(keyEnds):len(rest)-1]
	if bytes.IndexByte(key, '\\') >= 0 {
		var text string
		if err := json.Unmarshal(line[len(keyBegins)-1:len(keyBegins)+end+1], &text); err != nil {
			return nil, nil, fmt.Errorf("read the rows: %w", err)
		}
		key = []byte(text)
	}
	return key, value, nil
}
