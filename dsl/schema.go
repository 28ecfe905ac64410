package dsl

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"
)

// JSONSchema describes pipeline files for editors. It is made from the same structs that Load decodes into;
// schemas/pipeline.schema.json holds a copy.
func JSONSchema() ([]byte, error) {
	r := jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Anonymous:                  true,
		Namer:                      func(t reflect.Type) string { return strings.TrimPrefix(t.Name(), "spec") },
	}
	s := r.Reflect(&specPipeline{})
	s.Title = "lakeflow pipeline"
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON schema: %w", err)
	}
	return append(b, '\n'), nil
}

// nameKeys says that the keys of these mappings are names.
func nameKeys(s *jsonschema.Schema, keys ...string) {
	for _, key := range keys {
		if p, ok := s.Properties.Get(key); ok {
			p.PropertyNames = &jsonschema.Schema{Pattern: identifier.String()}
		}
	}
}

// JSONSchemaExtend adds what tags cannot say.
func (specPipeline) JSONSchemaExtend(s *jsonschema.Schema) {
	nameKeys(s, "parameters", "sources", "tables", "sinks")
}

// JSONSchemaExtend adds what tags cannot say.
func (specSource) JSONSchemaExtend(s *jsonschema.Schema) { exactlyOne(s, connectors...) }

// JSONSchemaExtend adds what tags cannot say.
func (specKafka) JSONSchemaExtend(s *jsonschema.Schema) { exactlyOne(s, topicKeys...) }

// JSONSchemaExtend adds the words.
func (specStart) JSONSchemaExtend(s *jsonschema.Schema) {
	place := *s
	exactlyOne(&place, "timestamp", "offsets")
	*s = jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "string", Enum: []any{"earliest", "latest"}}, &place}}
}

// JSONSchemaExtend adds what tags cannot say.
func (specTable) JSONSchemaExtend(s *jsonschema.Schema) {
	nameKeys(s, "flows")
	if p, ok := s.Properties.Get("expectations"); ok {
		least, most := uint64(1), uint64(longestRule)
		p.PropertyNames = &jsonschema.Schema{MinLength: &least, MaxLength: &most}
	}
	exactlyOne(s, "sql", "sql_file", "flows")
}

// JSONSchemaExtend adds what tags cannot say.
func (specFlow) JSONSchemaExtend(s *jsonschema.Schema) { exactlyOne(s, "sql", "sql_file") }

// exactlyOne says that exactly one of the keys is given.
func exactlyOne(s *jsonschema.Schema, keys ...string) {
	for _, key := range keys {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{key}})
	}
}
