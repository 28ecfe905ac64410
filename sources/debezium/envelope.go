package debezium

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	SequenceColumn = "_sequence"  // a text whose order is that of the changes; see sequenceOf
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

// object is the members of a JSON object.
type object []jsonrecords.Member

// room is for the members of an object that has no more than usual.
type room [24]jsonrecords.Member

// get is the value of a member, or nil.
func (o object) get(name string) json.RawMessage {
	for i := range o {
		if string(o[i].Name) == name {
			return o[i].Value
		}
	}
	return nil
}

func (o object) has(name string) bool { return o.get(name) != nil }

func refused(format string, args ...any) Row { return Row{Refused: fmt.Sprintf(format, args...)} }

// Decode decodes a record. Key is that of the record, or nil. The row is written behind out, and good as long as it.
func (d *Decoder) Decode(out, key, value []byte) Row {
	if value == nil || string(bytes.TrimSpace(value)) == "null" {
		return Row{Ignored: true} // a tombstone
	}
	var space, inside room
	top, isObject := jsonrecords.Members(space[:0], value)
	payload, schema, wrapped := unwrap(top)
	var s *Schema
	judged := value // what is not known to be valid JSON
	if wrapped && schema != nil {
		if s = d.known(schema); s != nil {
			judged = payload
		}
	}
	if err := jsonrecords.Valid(judged); err != nil {
		return refused("%s", err)
	}
	if !isObject {
		return refused("the record is not a JSON object")
	}
	env := object(top)
	if wrapped {
		if string(payload) == "null" { // a tombstone too, as JsonConverter writes it
			return Row{Ignored: true}
		}
		members, isObject := jsonrecords.Members(inside[:0], payload)
		if !isObject {
			return refused("the envelope has no payload")
		}
		env = members
	}
	op := text(env.get("op"))
	switch {
	case op == "" && foreign(env), op == "m":
		return Row{Ignored: true}
	case op == "":
		return refused("the record is no change event: it has no op; rows that ExtractNewRecordState has flattened are read" +
			" with format: json")
	}
	if s == nil && schema != nil {
		s = d.learn(schema)
	}
	if s != nil && s.reason != "" {
		return Row{Refused: s.reason}
	}
	return s.row(out, op, env, key)
}

// unwrap takes the schema off that JsonConverter puts around a value; schema is nil where it is null.
func unwrap(top object) (payload, schema []byte, wrapped bool) {
	if len(top) != 2 || !top.has("payload") || !top.has("schema") {
		return nil, nil, false
	}
	if schema = top.get("schema"); string(schema) == "null" {
		schema = nil
	}
	return top.get("payload"), schema, true
}

// foreign says whether an envelope without op is something that Debezium writes beside the changes of rows: a heartbeat,
// the begin or end of a transaction, a change of the schema.
func foreign(env object) bool {
	status := string(env.get("status"))
	return env.has("ddl") || env.has("tableChanges") || status == `"BEGIN"` || status == `"END"` ||
		env.has("ts_ms") && len(env) == 1
}

// known is the schema of a text that was there before, or nil.
func (d *Decoder) known(text []byte) *Schema {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.schemas[string(text)]
}

// learn is the schema of a text, which is valid JSON, the same one for the same text.
func (d *Decoder) learn(text []byte) *Schema {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.schemas[string(text)]; s != nil {
		return s
	}
	if len(d.schemas) >= maxSchemas || d.schemas == nil {
		d.schemas = map[string]*Schema{}
	}
	s := parseSchema(text)
	d.schemas[string(text)] = s
	return s
}

// maxSchemas bounds the schemas that are remembered.
const maxSchemas = 1000

// row makes the row of an envelope. S is nil without a schema.
func (s *Schema) row(out []byte, op string, env object, key []byte) Row {
	image, part := env.get("after"), "after"
	switch op {
	case "c", "u", "r":
	case "d":
		if image, part = env.get("before"), "before"; absent(image) {
			image, part = keyObject(key), "key"
		}
	case "t":
		image, part = []byte("{}"), ""
	default:
		return refused("the op %s is unknown: it is none of c, u, d, r, t and m", strconv.Quote(op))
	}
	switch {
	case absent(image) && op == "d":
		return refused("the deleted row is not known: there is neither before nor a key")
	case absent(image):
		return refused("the change has no %s", part)
	}
	var space room
	members, isObject := jsonrecords.Members(space[:0], image)
	if !isObject {
		return refused("%s is not a JSON object", part)
	}
	if mayLack(image) {
		if name := unavailable(members); name != "" && op != "d" {
			return refused("the value of the column %s did not change, and is not in the change: have PostgreSQL send it, with"+
				" ALTER TABLE … REPLICA IDENTITY FULL", name)
		}
		image = withoutUnavailable(members) // only the key of a deleted row matters
	}
	if s == nil {
		return Row{Text: appendMeta(appendMembers(out, image), op, env)}
	}
	out, err := s.append(out, members, part == "after")
	if err != nil {
		return refused("%s%s", part, err)
	}
	return Row{Text: appendMeta(out, op, env), Schema: s}
}

func absent(image []byte) bool { return len(image) == 0 || string(image) == "null" }

// appendMembers appends an object as it stands, open for further members.
func appendMembers(out, image []byte) []byte {
	image = bytes.TrimSpace(image)
	out = append(out, bytes.TrimRight(image[:len(image)-1], " \t\r\n")...)
	if out[len(out)-1] != '{' {
		out = append(out, ',')
	}
	return out
}

// appendMeta appends the columns of Meta, and ends the object.
func appendMeta(out []byte, op string, env object) []byte {
	var space room
	source, _ := jsonrecords.Members(space[:0], env.get("source")) // what is no object has no position
	out = jsonrecords.AppendText(append(out, `"`+OpColumn+`":`...), []byte(op))
	out = append(out, `,"`+SequenceColumn+`":`...)
	if sequence := sequenceOf(source, env, op); sequence == "" {
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
func keyObject(key []byte) []byte {
	if len(key) == 0 || jsonrecords.Valid(key) != nil {
		return nil
	}
	top, isObject := jsonrecords.Members(nil, key)
	if payload, _, wrapped := unwrap(top); wrapped {
		key = payload
		_, isObject = jsonrecords.Members(nil, payload)
	}
	if !isObject {
		return nil
	}
	return key
}

// Keys are the names of the columns in a record's key, in its order; nil where it is no object.
func Keys(key []byte) (names []string) {
	members, _ := jsonrecords.Members(nil, keyObject(key))
	for _, m := range members {
		names = append(names, string(m.Name))
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
	for _, m := range members {
		if stands(m.Value) {
			return string(m.Name)
		}
	}
	return ""
}

// stands says whether a value is a placeholder, or an array or map (hstore, also as a text) of nothing but it.
func stands(raw []byte) bool {
	if !mayLack(raw) {
		return false
	}
	var items []json.RawMessage
	switch value := text(raw); {
	case value != "":
		return value == string(placeholderText) || value == string(placeholderBytes) ||
			value[0] == '{' && stands([]byte(value))
	case json.Unmarshal(raw, &items) == nil:
		return len(items) == 1 && stands(items[0]) || string(raw) == "["+string(placeholderNumbers)+"]"
	}
	members, isObject := jsonrecords.Members(nil, raw)
	return isObject && len(members) == 1 && stands(object(members).get(string(placeholderText)))
}

// withoutUnavailable makes NULL of values that are not in the change, and returns the object as a text.
func withoutUnavailable(members object) []byte {
	out := []byte{'{'}
	for i := range members {
		m := &members[i]
		if stands(m.Value) {
			m.Value = null
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(jsonrecords.AppendText(out, m.Name), ':'), m.Value...)
	}
	return append(out, '}')
}

var null = []byte("null")
