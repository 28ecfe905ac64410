package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/jsonrecords"
)

// protoFile is a compiled .proto file.
type protoFile struct {
	file   protoreflect.FileDescriptor
	order  int // of its shapes
	mu     sync.Mutex
	shapes map[protoreflect.FullName]*shape
}

// compileProto compiles the text of a .proto file. refs are the texts of files that it imports, by path; Google's own
// need not be among them.
func compileProto(text string, refs map[string]string) (*protoFile, error) {
	const name = "lakeflow_schema.proto"
	files := maps.Clone(refs)
	if files == nil {
		files = map[string]string{}
	}
	files[name] = text
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(files)})}
	out, err := compiler.Compile(context.Background(), name)
	if err != nil {
		return nil, err
	}
	return &protoFile{file: out[0], shapes: map[protoreflect.FullName]*shape{}}, nil
}

// named is the shape of a message, by its full name. Without one it is the file's only message.
func (f *protoFile) named(message string) (*shape, error) {
	all := f.file.Messages()
	if message == "" {
		if all.Len() != 1 {
			return nil, fmt.Errorf("it has %d messages; write message: with the full name of one", all.Len())
		}
		return f.shape(all.Get(0))
	}
	for i := range all.Len() {
		if m := find(all.Get(i), protoreflect.FullName(message)); m != nil {
			return f.shape(m)
		}
	}
	return nil, fmt.Errorf("it has no message %s; write its full name, with the package", message)
}

func find(m protoreflect.MessageDescriptor, name protoreflect.FullName) protoreflect.MessageDescriptor {
	if m.FullName() == name {
		return m
	}
	for i := range m.Messages().Len() {
		if found := find(m.Messages().Get(i), name); found != nil {
			return found
		}
	}
	return nil
}

// indexed takes the path to the message from the front of a value.
func (f *protoFile) indexed(value []byte) (s *shape, rest []byte, reason string) {
	const deepest = 100
	path, rest, err := new(sr.ConfluentHeader).DecodeIndex(value, deepest)
	if err != nil {
		return nil, nil, "has no valid message index: " + err.Error()
	}
	all := f.file.Messages()
	var m protoreflect.MessageDescriptor
	for _, i := range path {
		if i < 0 || i >= all.Len() {
			return nil, nil, fmt.Sprintf("has the message index %v, which its schema lacks", path)
		}
		m = all.Get(i)
		all = m.Messages()
	}
	if m == nil {
		return nil, nil, "has an empty message index"
	}
	if s, err = f.shape(m); err != nil {
		return nil, nil, "can't be decoded: " + err.Error()
	}
	return s, rest, ""
}

func (f *protoFile) shape(m protoreflect.MessageDescriptor) (*shape, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.shapes[m.FullName()]; s != nil {
		return s, nil
	}
	t := messageType(m, nil)
	if t.Kind != schemas.Struct {
		return nil, fmt.Errorf("message %s has no fields that are columns", m.FullName())
	}
	s := &shape{order: f.order, columns: t.Fields, decode: func(out, value []byte) ([]byte, error) {
		msg := dynamicpb.NewMessage(m)
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(value, msg); err != nil {
			return out, err
		}
		return appendFields(out, msg)
	}}
	f.shapes[m.FullName()] = s
	return s, nil
}

// wrapped are Google's messages around one value, which may be missing.
var wrapped = []protoreflect.FullName{"google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value", "google.protobuf.UInt64Value", "google.protobuf.Int32Value",
	"google.protobuf.UInt32Value", "google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue"}

const protoTimestamp = "google.protobuf.Timestamp"

// messageType is the type of a message. Messages that hold themselves are JSON in a text.
func messageType(m protoreflect.MessageDescriptor, above []protoreflect.FullName) schemas.Type {
	name := m.FullName()
	switch {
	case name == protoTimestamp:
		return schemas.Type{Kind: schemas.TimestampTZ}
	case slices.Contains(wrapped, name):
		return scalarType(m.Fields().Get(0), above)
	case slices.Contains(above, name):
		return varchar
	}
	above = append(above, name)
	return structType(m.Fields().Len(), func(i int) (string, schemas.Type) {
		f := m.Fields().Get(i)
		return string(f.Name()), fieldType(f, above)
	})
}

func fieldType(f protoreflect.FieldDescriptor, above []protoreflect.FullName) schemas.Type {
	switch {
	case f.IsMap():
		key, elem := scalarType(f.MapKey(), above), scalarType(f.MapValue(), above)
		return schemas.Type{Kind: schemas.Map, Key: &key, Elem: &elem}
	case f.IsList():
		elem := scalarType(f, above)
		return schemas.Type{Kind: schemas.List, Elem: &elem}
	}
	return scalarType(f, above)
}

func scalarType(f protoreflect.FieldDescriptor, above []protoreflect.FullName) schemas.Type {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return schemas.Type{Kind: schemas.Boolean}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return schemas.Type{Kind: schemas.Integer}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return schemas.Type{Kind: schemas.BigInt}
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return schemas.Type{Kind: schemas.Decimal, Precision: 20}
	case protoreflect.FloatKind:
		return schemas.Type{Kind: schemas.Float}
	case protoreflect.DoubleKind:
		return schemas.Type{Kind: schemas.Double}
	case protoreflect.BytesKind:
		return schemas.Type{Kind: schemas.Blob}
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return messageType(f.Message(), above)
	}
	return varchar // texts and the names of enums
}

// appendFields writes a message as a JSON object. Fields that tell whether they are set are left out when they are not.
func appendFields(out []byte, m protoreflect.Message) (_ []byte, err error) {
	fields := m.Descriptor().Fields()
	out = append(out, '{')
	first := true
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.HasPresence() && !m.Has(f) {
			continue
		}
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(append(append(out, '"'), f.Name()...), `":`...)
		if out, err = appendField(out, f, m.Get(f)); err != nil {
			return out, err
		}
	}
	return append(out, '}'), nil
}

func appendField(out []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) (_ []byte, err error) {
	switch {
	case f.IsMap():
		return appendMap(out, f, v.Map())
	case f.IsList():
		out = append(out, '[')
		for i := range v.List().Len() {
			if i > 0 {
				out = append(out, ',')
			}
			if out, err = appendScalar(out, f, v.List().Get(i)); err != nil {
				return out, err
			}
		}
		return append(out, ']'), nil
	}
	return appendScalar(out, f, v)
}

func appendMap(out []byte, f protoreflect.FieldDescriptor, m protoreflect.Map) (_ []byte, err error) {
	out = append(out, '{')
	first := true
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = append(jsonrecords.AppendText(out, []byte(k.String())), ':')
		out, err = appendScalar(out, f.MapValue(), v)
		return err == nil
	})
	return append(out, '}'), err
}

func appendScalar(out []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) ([]byte, error) {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, v.Bool()), nil
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return jsonrecords.AppendText(out, []byte(e.Name())), nil
		}
		return append(strconv.AppendInt(append(out, '"'), int64(v.Enum()), 10), '"'), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(out, v.Uint(), 10), nil
	case protoreflect.FloatKind:
		return appendFloat(out, v.Float(), 32), nil
	case protoreflect.DoubleKind:
		return appendFloat(out, v.Float(), 64), nil
	case protoreflect.StringKind:
		return jsonrecords.AppendText(out, []byte(v.String())), nil
	case protoreflect.BytesKind:
		return appendBlob(out, v.Bytes()), nil
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return appendMessage(out, v.Message())
	}
	return strconv.AppendInt(out, v.Int(), 10), nil
}

func appendMessage(out []byte, m protoreflect.Message) ([]byte, error) {
	fields := m.Descriptor().Fields()
	switch name := m.Descriptor().FullName(); {
	case name == protoTimestamp:
		seconds, nanos := m.Get(fields.ByNumber(1)).Int(), m.Get(fields.ByNumber(2)).Int()
		if seconds < -62135596800 || seconds > 253402300799 || nanos < 0 || nanos > 999999999 {
			return out, errors.New("a google.protobuf.Timestamp is out of range")
		}
		return appendTime(out, time.Unix(seconds, nanos), ""), nil
	case slices.Contains(wrapped, name):
		return appendScalar(out, fields.Get(0), m.Get(fields.Get(0)))
	}
	return appendFields(out, m)
}
