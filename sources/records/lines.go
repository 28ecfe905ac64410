package records

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// A line is a JSON object: m the place, k key, h headers, r the value as it was found where that is not v, x what was
// rescued, and at last v, the value as JSON. What is NULL is left out. The place is one text, because few queries look
// at it, and DuckDB reads one member faster than several. Nothing before ,"v": can hold these bytes, as quotes inside of
// texts are escaped.
const valueMember = `,"v":`

// appendLine writes a record whose value is d.text, which must be JSON or unable to become JSON by what is written
// around it.
func appendLine(b []byte, rec *Record, d decoded) []byte {
	b = jsonrecords.AppendText(append(b, `{"m":`...), rec.Place)
	if d.hasKey {
		b = jsonrecords.AppendText(append(b, `,"k":`...), d.key)
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

// appendFitted writes a record that was read by itself: its value as DuckDB is to read it, and what was rescued of it.
func appendFitted(b []byte, s Single, value []byte, rescued string) []byte {
	b = jsonrecords.AppendText(append(b, `{"m":`...), []byte(s.Place))
	if s.HasKey {
		b = jsonrecords.AppendText(append(b, `,"k":`...), []byte(s.Key))
	}
	if s.Headers != "" {
		b = append(append(b, `,"h":`...), s.Headers...)
	}
	if rescued != "" {
		b = jsonrecords.AppendText(append(b, `,"x":`...), []byte(rescued))
	}
	b = append(append(b, valueMember...), value...)
	return append(b, "}\n"...)
}

func appendHeaders(b []byte, headers []Header) []byte {
	b = append(b, '[')
	for i, h := range headers {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsonrecords.AppendText(append(b, `{"key":`...), []byte(h.Key))
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

// prefix is what stands before the value of a line.
type prefix struct {
	Place   string          `json:"m"`
	Key     *string         `json:"k"`
	Headers json.RawMessage `json:"h"`
	Own     *[]byte         `json:"r"`
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
	err = json.Unmarshal(append(head[:len(head):len(head)], '}'), &p)
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

// singleOf is the record of a line as it is read by itself. Its value is good as long as the line is; null stands for
// none.
func singleOf(line []byte) (Single, error) {
	head, value, err := splitLine(line)
	if err != nil {
		return Single{}, err
	}
	p, err := parseHead(head)
	s := Single{Place: p.Place, Headers: string(p.Headers), Value: value, Fits: bytes.Equal(value, null)}
	if p.Key != nil {
		s.HasKey, s.Key = true, *p.Key
	}
	if p.Own != nil {
		s.Own, s.Found = true, (*p.Own)[:min(len(*p.Own), maxRaw)]
	}
	return s, err
}
