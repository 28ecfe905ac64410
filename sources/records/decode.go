package records

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// Record is a record as its source has it.
type Record struct {
	Place      []byte // where it stands: a text that only the source understands, as short as it can be
	Key, Value []byte // nil for none: a record without a value is a row of NULLs
	Headers    []Header
	Refused    string // why the source can't read it, in one sentence; empty: it can
}

// Header is a member of what stands before a record. Names can repeat, and values be nil.
type Header struct {
	Key   string
	Value []byte
}

// decoded is a record ready to be written. Its slices are good until the next record is decoded.
type decoded struct {
	key     []byte // as it stands in a line: text, or base64 where the format is bytes
	hasKey  bool
	text    []byte // the value as JSON
	own     bool   // text is not the value as it was found
	odd     bool   // it can't stand in a file of lines; DuckDB has to look at it by itself
	reason  string // it can't be taken, in one sentence
	unknown bool   // it has keys that the schema lacks
	shape   *shape // of formats with a schema
	ignored bool   // it is in order, and brings no row
}

// shape is what a schema says of the columns of values.
type shape struct {
	order   int // of the schema's id: later ones are newer
	columns schemas.Table
	decode  func(out, value []byte) ([]byte, error) // appends the value as JSON; nil for change events
}

func (s *shape) String() string {
	if s.decode == nil {
		return "the schema of a change event"
	}
	return fmt.Sprintf("schema %d of the registry", s.order)
}

// decoder decodes one record after the other. It is used by one goroutine at a time.
type decoder struct {
	*Reader
	tree    *jsonrecords.Tree
	scanner jsonrecords.Scanner
	keyBuf  []byte
	buf     []byte
	compact bytes.Buffer
	named   []string // the columns of the first key, where the format is debezium
	ignored int      // records that brought no row
}

func (r *Reader) decoder(tree *jsonrecords.Tree) *decoder {
	return &decoder{Reader: r, tree: tree, scanner: jsonrecords.Scanner{KeysDoNotMatter: r.cfg.Evolution.Ignores()}}
}

// The reasons why a record can't be decoded.
const (
	reasonUTF8    = "the value is not valid UTF-8"
	reasonKeyUTF8 = "the key is not valid UTF-8"
	reasonKeyJSON = "the key is not valid JSON"
	reasonEmpty   = "the value is empty"
	reasonNull    = "the record is not a JSON object but null" // which is no tombstone
	reasonDeep    = "the record nests more than 1000 levels deep"
)

// record decodes one record. An error is about the world: the schema registry can't be reached.
func (d *decoder) record(ctx context.Context, rec *Record) (decoded, error) {
	var out decoded
	if rec.Refused != "" {
		out.reason = rec.Refused
		return out, nil
	}
	if err := d.decodeKey(ctx, rec.Key, &out); err != nil || out.reason != "" {
		return out, err
	}
	if rec.Value == nil && d.events == nil {
		out.text = null
		return out, nil
	}
	switch d.cfg.Value.Format {
	case "debezium":
		d.event(rec, &out)
	case "json":
		d.json(rec.Value, &out)
	case "string":
		if !utf8.Valid(rec.Value) {
			out.reason = reasonUTF8
			break
		}
		d.buf = jsonrecords.AppendText(d.buf[:0], rec.Value)
		out.text = d.buf
	case "bytes":
		d.buf = append(base64.StdEncoding.AppendEncode(append(d.buf[:0], '"'), rec.Value), '"')
		out.text = d.buf
	default:
		text, shape, reason, err := d.values.decode(ctx, d.buf[:0], rec.Value)
		if err != nil {
			return out, err
		}
		d.buf, out.text, out.shape, out.own = text, text, shape, true
		switch {
		case reason != "":
			out.reason = "the value " + reason
		case jsonrecords.NestsDeeper(text, jsonrecords.MaxNested):
			out.reason = reasonDeep
		}
	}
	out.odd = out.odd || len(out.text)+len(rec.Key)*2 > maxLine || tooLong(rec.Headers)
	return out, nil
}

// null is the value of a record without one, as JSON.
var null = []byte("null")

func tooLong(headers []Header) bool {
	n := 0
	for _, h := range headers {
		n += len(h.Key) + len(h.Value)
	}
	return n > maxRaw
}

func (d *decoder) decodeKey(ctx context.Context, key []byte, out *decoded) error {
	if key == nil {
		return nil
	}
	out.hasKey = true
	switch d.cfg.Key.Format {
	case "bytes":
		d.keyBuf = base64.StdEncoding.AppendEncode(d.keyBuf[:0], key)
		out.key = d.keyBuf
	case "string", "json":
		out.key = key
		if !utf8.Valid(key) {
			out.reason = reasonKeyUTF8
		} else if d.cfg.Key.Format == "json" && !json.Valid(key) {
			out.reason = reasonKeyJSON
		}
	default:
		text, _, reason, err := d.keys.decode(ctx, d.keyBuf[:0], key)
		if err != nil {
			return err
		}
		d.keyBuf, out.key = text, text
		if reason != "" {
			out.key, out.reason = nil, "the key "+reason
		}
	}
	return nil
}

// json looks at a value that should be a JSON object.
func (d *decoder) json(value []byte, out *decoded) {
	out.text = value
	switch {
	case len(value) == 0:
		out.reason = reasonEmpty
		return
	case string(bytes.TrimSpace(value)) == "null":
		out.reason = reasonNull
		return
	case !utf8.Valid(value):
		out.reason = reasonUTF8
		return
	case jsonrecords.NestsDeeper(value, jsonrecords.MaxNested):
		out.reason = reasonDeep
		return
	case bytes.IndexByte(value, '\n') >= 0 || bytes.IndexByte(value, '\r') >= 0:
		d.compact.Reset()
		if json.Compact(&d.compact, value) != nil {
			out.odd = true // it may be JSON to DuckDB, or not
			return
		}
		out.text = d.compact.Bytes()
	}
	d.scan(out)
}

// scan compares the text with what is known of others.
func (d *decoder) scan(out *decoded) {
	found := d.scanner.Scan(out.text, d.tree)
	out.unknown = len(found.Unknown) > 0
	out.odd = !found.Whole || found.Odd || bytes.IndexByte(out.text, 0) >= 0
}

// single is a record that can't stand in a file of lines.
func (d *decoder) single(rec *Record, out decoded) Single {
	s := Single{Place: string(rec.Place), HasKey: out.hasKey && (out.key != nil || out.reason == ""),
		Key: string(bytes.ToValidUTF8(out.key, []byte("\ufffd"))), Fits: rec.Value == nil, Reason: out.reason}
	if len(rec.Headers) > 0 {
		s.Headers = string(appendHeaders(nil, rec.Headers))
	}
	if out.reason == "" {
		s.Value = bytes.Clone(out.text)
	}
	if out.reason != "" || out.own {
		s.Own, s.Found = true, append([]byte{}, rec.Value[:min(len(rec.Value), maxRaw)]...)
	}
	return s
}
