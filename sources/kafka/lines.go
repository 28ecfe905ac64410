package kafka

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A line is a JSON object: m the place, k key, h headers, r the value as it was found where that is not v, x what was
// rescued, and at last v, the value as JSON. What is NULL is left out. The place is one text of five numbers, because
// few queries look at it, and DuckDB reads one member faster than five: the topic, the partition, the offset, the
// timestamp and its type. Nothing before ,"v": can hold these bytes, as quotes inside of texts are escaped.
const valueMember = `,"v":`

// appendLine writes a record whose value is d.text, which must be JSON or unable to become JSON by what is written
// around it.
func appendLine(b []byte, topic int, rec *kgo.Record, d decoded) []byte {
	b = append(b, `{"m":"`...)
	for _, n := range [...]int64{int64(topic), int64(rec.Partition), rec.Offset, millis(rec)} {
		b = append(strconv.AppendInt(b, n, 10), ' ')
	}
	b = append(strconv.AppendInt(b, int64(rec.Attrs.TimestampType()), 10), '"')
	if d.hasKey {
		b = appendText(append(b, `,"k":`...), d.key)
	}
	if len(rec.Headers) > 0 {
		b = appendHeaders(append(b, `,"h":`...), rec.Headers)
	}
	if d.own {
		b = append(b, `,"r":"`...)
		b = base64.StdEncoding.AppendEncode(b, rec.Value)
		b = append(b, '"')
	}
	b = append(b, valueMember...)
	b = append(b, d.text...)
	return append(b, "}\n"...)
}

// appendFitted writes a record that was read by itself, with what was rescued of it.
func appendFitted(b []byte, r rawRecord, rescued string) []byte {
	b = append(b, `{"m":"`...)
	for _, n := range [...]int64{int64(r.Topic), int64(r.Partition), r.Offset, r.Time} {
		b = append(strconv.AppendInt(b, n, 10), ' ')
	}
	b = append(strconv.AppendInt(b, int64(r.TimeType), 10), '"')
	if r.HasKey {
		b = appendText(append(b, `,"k":`...), []byte(r.Key))
	}
	if r.Headers != "" {
		b = append(append(b, `,"h":`...), r.Headers...)
	}
	if rescued != "" {
		b = appendText(append(b, `,"x":`...), []byte(rescued))
	}
	b = append(append(b, valueMember...), r.Raw...)
	return append(b, "}\n"...)
}

// millis is the timestamp as Kafka has it.
func millis(rec *kgo.Record) int64 { return rec.Timestamp.UnixMilli() }

func appendHeaders(b []byte, headers []kgo.RecordHeader) []byte {
	b = append(b, '[')
	for i, h := range headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(append(b, `{"key":`...), []byte(h.Key))
		if h.Value == nil {
			b = append(b, `,"value":null}`...)
			continue
		}
		b = append(b, `,"value":"`...)
		b = base64.StdEncoding.AppendEncode(b, h.Value)
		b = append(b, `"}`...)
	}
	return append(b, ']')
}

// appendText writes a JSON text. Bytes that are not UTF-8 are replaced.
func appendText(b, text []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, text[start:i]...), "\ufffd"...)
				start = i + 1
			}
			i += size
			continue
		case c == '"' || c == '\\':
			b = append(append(b, text[start:i]...), '\\', c)
			start = i + 1
		case c < ' ':
			b = append(append(b, text[start:i]...), '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			start = i + 1
		}
		i++
	}
	return append(append(b, text[start:]...), '"')
}

// prefix is what stands before the value of a line.
type prefix struct {
	Place     string `json:"m"`
	Topic     int32
	Partition int32
	Offset    int64
	Time      int64
	TimeType  int32
	Key       *string         `json:"k"`
	Headers   json.RawMessage `json:"h"`
	Own       *[]byte         `json:"r"`
}

// splitLine takes a line apart. Both parts are good as long as the line is.
func splitLine(line []byte) (head, value []byte, err error) {
	head, tail, ok := bytes.Cut(line, []byte(valueMember))
	if !ok {
		return nil, nil, errors.New("a line of the temporary folder is damaged")
	}
	return head, bytes.TrimSuffix(bytes.TrimSuffix(tail, []byte("\n")), []byte("}")), nil
}

// parseHead reads what stands before the value.
func parseHead(head []byte) (p prefix, err error) {
	if err = json.Unmarshal(append(head[:len(head):len(head)], '}'), &p); err == nil {
		_, err = fmt.Sscan(p.Place, &p.Topic, &p.Partition, &p.Offset, &p.Time, &p.TimeType)
	}
	return p, err
}

// readLines calls yield with every line of a file until it returns false. The line is good until yield returns.
func readLines(path string, yield func(line []byte) (bool, error)) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	in := bufio.NewReaderSize(f, flushBytes)
	var long []byte
	for {
		line, err := in.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			line, err = in.ReadSlice('\n')
		}
		if len(long) > 0 {
			line = append(long, line...)
			long = line[:0]
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := yield(line); err != nil || !more {
			return err
		}
	}
}

// rawOf is the record of a line as it is read by itself.
func rawOf(line []byte) (rawRecord, error) {
	head, value, err := splitLine(line)
	if err != nil {
		return rawRecord{}, err
	}
	p, err := parseHead(head)
	r := rawRecord{Topic: p.Topic, Partition: p.Partition, Offset: p.Offset, Time: p.Time, TimeType: p.TimeType, Headers: string(p.Headers), Raw: string(value)}
	if p.Key != nil {
		r.HasKey, r.Key = true, *p.Key
	}
	if p.Own != nil {
		r.Own, r.Orig = true, (*p.Own)[:min(len(*p.Own), maxRaw)]
	}
	return r, err
}
