package spark

import (
	"maps"
	"slices"

	"github.com/goccy/go-yaml"
)

// sampleType is the type that Spark's schema_of_json tells of a text. It takes single quotes for double ones, as Spark
// does; YAML has both.
func sampleType(sample string) (*dataType, bool) {
	var value any
	if err := yaml.Unmarshal([]byte(sample), &value); err != nil {
		return nil, false
	}
	return typeOfSample(value), true
}

func typeOfSample(value any) *dataType {
	switch v := value.(type) {
	case bool:
		return &dataType{name: "BOOLEAN"}
	case uint64, int64, int:
		return &dataType{name: "BIGINT"}
	case float64:
		return &dataType{name: "DOUBLE"}
	case []any:
		var elem *dataType
		for _, x := range v {
			elem = commonType(elem, typeOfSample(x))
		}
		if elem == nil {
			elem = &dataType{name: "STRING"}
		}
		return &dataType{name: "ARRAY", of: []*dataType{elem}}
	case map[string]any:
		t := &dataType{name: "STRUCT"}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			t.fields = append(t.fields, typeField{ident{name: name}, typeOfSample(v[name])})
		}
		return t
	}
	return &dataType{name: "STRING"}
}

// commonType is the type of a list's elements that have two: structs have the fields of both, numbers are DOUBLE, and
// all else is text. A is nil before the first element.
func commonType(a, b *dataType) *dataType {
	switch {
	case a == nil:
		return b
	case a.name == b.name && a.name == "ARRAY":
		return &dataType{name: "ARRAY", of: []*dataType{commonType(a.of[0], b.of[0])}}
	case a.name == b.name && a.name == "STRUCT":
		t := &dataType{name: "STRUCT", fields: slices.Clone(a.fields)}
		for _, f := range b.fields {
			i := slices.IndexFunc(t.fields, func(g typeField) bool { return g.name.name == f.name.name })
			if i < 0 {
				t.fields = append(t.fields, f)
				continue
			}
			t.fields[i].typ = commonType(t.fields[i].typ, f.typ)
		}
		return t
	case a.name == b.name:
		return a
	}
	numbers := []string{"BIGINT", "DOUBLE"}
	if slices.Contains(numbers, a.name) && slices.Contains(numbers, b.name) {
		return &dataType{name: "DOUBLE"}
	}
	return &dataType{name: "STRING"}
}
