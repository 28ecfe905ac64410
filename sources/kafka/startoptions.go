package kafka

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// StartOptions are earliest, latest, or a mapping with a timestamp or offsets.
type StartOptions struct {
	option.Node `yaml:"-"`
	word        string
	Timestamp   *option.Text                 `yaml:"timestamp" jsonschema_description:"Read records of this time and later, as in 2024-05-01T00:00:00Z. Without a zone it is UTC."`
	Offsets     map[string]map[string]Offset `yaml:"offsets" jsonschema_description:"First offset to read, by topic and partition. Partitions that are not named are read from their first record."`
}

// Offset is a record's number in a partition.
type Offset struct {
	value int64
	at    diag.Range
}

// Decode implements option.Custom.
func (o *Offset) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	o.at = at
	return d.Decode(&o.value, v, at, path)
}

// Encode implements option.Written.
func (o *Offset) Encode() *option.Value { return option.IntValue(o.value) }

// JSONSchema describes the type in the schema of the file.
func (Offset) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "integer", Minimum: "0"}
}

// startWords are the places to begin that need nothing more.
var startWords = []string{"earliest", "latest"}

const startHelp = "write earliest, latest, {timestamp: 2024-05-01T00:00:00Z} or {offsets: {topic: {0: 5}}}"

// Decode implements option.Custom.
func (s *StartOptions) Decode(d *option.Decoder, v *option.Value, at diag.Range, path string) bool {
	s.Node = option.Node{Range: at}
	switch {
	case v.Kind == option.KindMapping:
		d.Mapping(s, v, at, path)
	case v.Kind == option.KindText && slices.Contains(startWords, v.Written):
		s.word = v.Written
	case v.Kind == option.KindText:
		d.Diags.Errorf("LF0105", v.At, diag.DidYouMean(v.Written, startWords, startHelp), "%s cannot be %q", path, v.Written)
		return false
	default:
		d.Diags.Errorf("LF0102", at, startHelp, "%s must be a word or a mapping, not %s", path, v.Kind)
		return false
	}
	return true
}

// Encode implements option.Written.
func (s *StartOptions) Encode() *option.Value {
	place := struct {
		Timestamp *option.Text                 `yaml:"timestamp"`
		Offsets   map[string]map[string]Offset `yaml:"offsets"`
	}{s.Timestamp, s.Offsets}
	switch {
	case s.word == "" && s.Timestamp == nil && s.Offsets == nil:
		return nil
	case s.word != "":
		return option.TextValue(s.word)
	}
	return new(option.Encoder).Encode(&place)
}

// JSONSchemaExtend adds the words.
func (StartOptions) JSONSchemaExtend(s *jsonschema.Schema) {
	place := *s
	option.ExactlyOne(&place, "timestamp", "offsets")
	*s = jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Enum: []any{"earliest", "latest"}}, &place}}
}

// read gives the place to begin, and reports what is wrong with it.
func (s *StartOptions) read(diags *diag.List) Start {
	start := Start{At: cmp.Or(s.word, "earliest")}
	switch {
	case s.Has("timestamp") && s.Has("offsets"):
		diags.Errorf("LF0155", s.At("offsets"), "keep one of them", "start has both timestamp and offsets")
	case s.Has("timestamp"):
		start.At = "timestamp"
		if s.Timestamp != nil {
			start.Time = readTime(*s.Timestamp, diags)
		}
	case s.Has("offsets"):
		start.At, start.Offsets = "offsets", readOffsets(s.Offsets, diags)
		if len(s.Offsets) == 0 && s.Offsets != nil {
			diags.Errorf("LF0155", s.At("offsets"), startHelp, "start has no offsets")
		}
	case s.Fields != nil:
		diags.Errorf("LF0155", s.Range, startHelp, "start does not say where to begin")
	}
	return start
}

var timeLayouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"}

func readTime(written option.Text, diags *diag.List) time.Time {
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, written.Text); err == nil {
			return t
		}
	}
	diags.Errorf("LF0155", written.At, "write it as 2024-05-01T00:00:00Z, or 2024-05-01 for the beginning of a day in UTC", "%q is not a time", written.Text)
	return time.Time{}
}

func readOffsets(topics map[string]map[string]Offset, diags *diag.List) map[string]map[int32]int64 {
	out := map[string]map[int32]int64{}
	for topic, partitions := range topics {
		out[topic] = map[int32]int64{}
		for key, offset := range partitions {
			partition, err := strconv.ParseInt(key, 10, 32)
			if err != nil || partition < 0 {
				diags.Errorf("LF0155", offset.at, fmt.Sprintf("write partition: offset with numbers from 0, as in %s: {0: 5}", topic), "%q is not a partition of topic %s", key, topic)
			} else if offset.value < 0 {
				diags.Errorf("LF0155", offset.at, "write a number from 0; start: earliest begins at the first record", "%d is not an offset", offset.value)
			}
			out[topic][int32(partition)] = offset.value
		}
	}
	return out
}
