package debezium

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// The columns behind those of the table.
const (
	OpColumn       = "_op"        // c, u, d, r or t
	SequenceColumn = "_sequence"  // a text whose order is that of the changes; see Sequence
	TimeColumn     = "_source_ts" // when the database made the change
)

// Meta are the columns behind those of the table.
var Meta = schemas.Table{
	{Name: OpColumn, Type: schemas.Type{Kind: schemas.Varchar}},
	{Name: SequenceColumn, Type: schemas.Type{Kind: schemas.Varchar}},
	{Name: TimeColumn, Type: schemas.Type{Kind: schemas.TimestampTZ}},
}

// Changes says how the rows are applied to a table.
func Changes() sources.Changes {
	return sources.Changes{SequenceBy: SequenceColumn, DeleteWhen: OpColumn + " = 'd'", TruncateWhen: OpColumn + " = 't'",
		NoData: Meta}
}

// Row is what a record becomes: a row, or one of Ignored and Refused.
type Row struct {
	Text    []byte  // a JSON object; bytes are texts as package records writes them: \x and hexadecimal digits
	Schema  *Schema // of the columns; nil where the record has none
	Ignored bool    // it is in order, and no change of a row
	Refused string  // why it can't be taken, in one sentence
}

// Decoder decodes records. Any goroutine may use it.
type Decoder struct {
	mu      sync.RWMutex
	schemas map[string]*Schema // by their text
}

type object = map[string]json.RawMessage

func refused(format string, args ...any) Row { return Row{Refused: fmt.Sprintf(format, args...)} }

// Decode decodes a record. Key is that of the record, or nil. The row is written behind out, and good as long as it.
func (d *Decoder) Decode(out, key, value []byte) Row {
	if value == nil {
		return Row{Ignored: true} // a tombstone
	}
	var top object
	if json.Unmarshal(value, &top) != nil || top == nil {
		if err := jsonrecords.Valid(value); err != nil {
			return refused("%s", err)
		}
		return refused("the record is not a JSON object")
	}
	payload, schema, wrapped := unwrap(top)
	var env object
	switch {
	case !wrapped:
		env = top
	case json.Unmarshal(payload, &env) != nil || env == nil:
		return refused("the envelope has no payload")
	}
	var op string
	if json.Unmarshal(env["op"], &op) != nil || op == "" {
		if foreign(env) {
			return Row{Ignored: true}
		}
		return refused("the record is no change event: it has no op; rows that ExtractNewRecordState has flattened are read with format: json")
	}
	if op == "m" {
		return Row{Ignored: true}
	}
	var s *Schema
	if schema != nil {
		if s = d.schema(schema); s.reason != "" {
			return Row{Refused: s.reason}
		}
	}
	return s.row(out, op, env, key)
}

// unwrap takes the schema off that JsonConverter puts around a value; schema is nil where it is null.
func unwrap(top object) (payload, schema json.RawMessage, wrapped bool) {
	payload, wrapped = top["payload"]
	schema, has := top["schema"]
	if !wrapped || !has || len(top) != 2 {
		return nil, nil, false
	}
	if string(schema) == "null" {
		schema = nil
	}
	return payload, schema, true
}

// foreign says whether an envelope without op is something that Debezium writes beside the changes of rows: a heartbeat,
// the begin or end of a transaction, a change of the schema.
func foreign(env object) bool {
	_, ddl := env["ddl"]
	_, tables := env["tableChanges"]
	status := string(env["status"])
	_, at := env["ts_ms"]
	return ddl || tables || status == `"BEGIN"` || status == `"END"` || at && len(env) == 1
}

// schema is that of a text, parsed once.
func (d *Decoder) schema(text []byte) *Schema {
	d.mu.RLock()
	s := d.schemas[string(text)]
	d.mu.RUnlock()
	if s != nil {
		return s
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s = d.schemas[string(text)]; s != nil {
		return s
	}
	if len(d.schemas) >= maxSchemas || d.schemas == nil {
		d.schemas = map[string]*Schema{}
	}
	s = parseSchema(text)
	d.schemas[string(text)] = s
	return s
}

// maxSchemas bounds the schemas that are remembered.
const maxSchemas = 1000

// row makes the row of an envelope. S is nil without a schema.
func (s *Schema) row(out []byte, op string, env object, key []byte) Row {
	image, part := env["after"], "after"
	switch op {
	case "c", "u", "r":
	case "d":
		if image, part = env["before"], "before"; absent(image) {
			image, part = keyObject(key), "key"
		}
	case "t":
		image, part = []byte("{}"), ""
	default:
		return refused("the op %s is unknown: it is none of c, u, d, r, t and m", strconv.Quote(op))
	}
	if absent(image) {
		if op == "d" {
			return refused("the deleted row is not known: there is neither before nor a key")
		}
		return refused("the change has no %s", part)
	}
	var members object
	if s != nil || mayLack(image) {
		if json.Unmarshal(image, &members) != nil {
			return refused("%s is not a JSON object", part)
		}
	}
	if name := unavailable(members); name != "" && op != "d" {
		return refused("the value of the column %s did not change, and is not in the change: have PostgreSQL send it, with"+
			" ALTER TABLE … REPLICA IDENTITY FULL", name)
	} else if name != "" { // only the key of a deleted row matters
		image = withoutUnavailable(members)
	}
	var err error
	if s != nil {
		out, err = s.append(out, members, part != "key" && op != "t")
	} else {
		out, err = appendAsIs(out, image)
	}
	if err != nil {
		return refused("%s%s", part, err)
	}
	return Row{Text: appendMeta(out, op, env), Schema: s}
}

func absent(image []byte) bool { return len(image) == 0 || string(image) == "null" }

// appendAsIs appends the members of an object, and what members may follow.
func appendAsIs(out, image []byte) ([]byte, error) {
	image = bytes.TrimSpace(image)
	if image[0] != '{' {
		return out, fmt.Errorf(" is not a JSON object")
	}
	out = append(out, bytes.TrimRight(image[:len(image)-1], " \t\r\n")...)
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return out, nil
}

// appendMeta appends the columns of Meta, and ends the object.
func appendMeta(out []byte, op string, env object) []byte {
	var source object
	_ = json.Unmarshal(env["source"], &source) // what is no object has no position
	out = jsonrecords.AppendText(append(out, `"`+OpColumn+`":`...), []byte(op))
	out = append(out, `,"`+SequenceColumn+`":`...)
	if sequence := Sequence(source, env, op); sequence == "" {
		out = append(out, "null"...)
	} else {
		out = jsonrecords.AppendText(out, []byte(sequence))
	}
	out = append(out, `,"`+TimeColumn+`":`...)
	if nanos, ok := nanosOf(source); ok {
		out = time.Unix(0, nanos).UTC().AppendFormat(append(out, '"'), "2006-01-02T15:04:05.000000Z")
		out = append(out, '"')
	} else {
		out = append(out, "null"...)
	}
	return append(out, '}')
}

// keyObject is the object in a record's key, without the schema around it, or nil.
func keyObject(key []byte) json.RawMessage {
	var top object
	if json.Unmarshal(key, &top) != nil || top == nil {
		return nil
	}
	if payload, _, wrapped := unwrap(top); wrapped {
		var inner object
		if json.Unmarshal(payload, &inner) != nil || inner == nil {
			return nil
		}
		return payload
	}
	return key
}

// Keys are the names of the columns in a record's key, in its order; nil where it is no object.
func Keys(key []byte) []string {
	var names []string
	in := json.NewDecoder(bytes.NewReader(keyObject(key)))
	if open, err := in.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	for in.More() {
		name, err := in.Token()
		var value json.RawMessage
		if err != nil || in.Decode(&value) != nil {
			return nil
		}
		names = append(names, name.(string))
	}
	return names
}

// What stands for a value that PostgreSQL did not send, as it is large and did not change: a text, the same as bytes, and
// as an array of numbers.
var (
	placeholderText    = []byte("__debezium_unavailable_value")
	placeholderBytes   = base64.StdEncoding.AppendEncode(nil, placeholderText)
	placeholderNumbers = numbersOf(placeholderText)
)

func numbersOf(text []byte) (out []byte) {
	for i, c := range text {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(c), 10)
	}
	return out
}

// mayLack says whether the text of an object may have a placeholder.
func mayLack(image []byte) bool {
	return bytes.Contains(image, placeholderText) || bytes.Contains(image, placeholderBytes) || bytes.Contains(image, placeholderNumbers)
}

// unavailable names a column whose value is not in the change.
func unavailable(members object) string {
	for _, name := range sortedKeys(members) {
		if stands(members[name]) {
			return name
		}
	}
	return ""
}

// stands says whether a value is a placeholder, or an array or map (hstore, also as a text) of nothing but it.
func stands(raw json.RawMessage) bool {
	if !mayLack(raw) {
		return false
	}
	var items []json.RawMessage
	var members object
	switch value := text(raw); {
	case value != "":
		return value == string(placeholderText) || value == string(placeholderBytes) || value[0] == '{' && stands(json.RawMessage(value))
	case json.Unmarshal(raw, &items) == nil:
		return len(items) == 1 && stands(items[0]) || string(raw) == "["+string(placeholderNumbers)+"]"
	case json.Unmarshal(raw, &members) == nil && len(members) == 1:
		return stands(members[string(placeholderText)])
	}
	return false
}

// withoutUnavailable makes NULL of values that are not in the change, and returns the object as a text.
func withoutUnavailable(members object) []byte {
	for name, raw := range members {
		if stands(raw) {
			members[name] = json.RawMessage("null")
		}
	}
	text, _ := json.Marshal(members) // which was read from a text
	return text
}

func sortedKeys(members object) []string { return slices.Sorted(maps.Keys(members)) }
