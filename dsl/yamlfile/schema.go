package yamlfile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/option"
)

// JSONSchema describes pipeline files with these connectors for editors. It is made from the same structs that Load
// decodes into; schemas/pipeline.schema.json holds a copy.
func JSONSchema(connectors dsl.Connectors) ([]byte, error) {
	names, kinds := map[reflect.Type]string{}, map[reflect.Type][]reflect.StructField{}
	add := func(to reflect.Type, key, description, name string, options any, tags string) {
		t := reflect.TypeOf(options).Elem()
		names[t] = name
		kinds[to] = append(kinds[to], reflect.StructField{Name: name, Type: t,
			Tag: reflect.StructTag(fmt.Sprintf("yaml:%q jsonschema:%q jsonschema_description:%q", key, tags, description))})
	}
	for _, c := range connectors.Sources {
		add(reflect.TypeFor[specSource](), c.Name, c.Description, typeName(c.Name), c.Options(), "")
	}
	for _, c := range connectors.Sinks {
		tags := ""
		if len(connectors.Sinks) == 1 {
			tags = "required"
		}
		add(reflect.TypeFor[specSink](), c.Name, c.Description, typeName(c.Name)+"Sink", c.Options(), tags)
	}
	r := jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Anonymous:                  true,
		Namer: func(t reflect.Type) string {
			return cmp.Or(names[t], strings.TrimSuffix(strings.TrimPrefix(t.Name(), "spec"), "Options"))
		},
		AdditionalFields: func(t reflect.Type) []reflect.StructField { return kinds[t] },
	}
	s := r.Reflect(&specPipeline{})
	s.Title = "lakeflow pipeline"
	oneConnector(s, connectors)
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JSON schema: %w", err)
	}
	return append(b, '\n'), nil
}

// typeName is the name of what a key declares: Kafka.
func typeName(key string) string { return strings.ToUpper(key[:1]) + key[1:] }

// oneConnector says that sources and sinks have exactly one, and puts those of sources first.
func oneConnector(s *jsonschema.Schema, connectors dsl.Connectors) {
	var sources, sinks []string
	for _, c := range connectors.Sources {
		sources = append(sources, c.Name)
	}
	for _, c := range connectors.Sinks {
		sinks = append(sinks, c.Name)
	}
	source := s.Definitions["Source"]
	option.ExactlyOne(source, sources...)
	for _, key := range []string{"schema", "infer", "schema_evolution"} {
		p, _ := source.Properties.Delete(key)
		source.Properties.Set(key, p)
	}
	if len(sinks) > 1 {
		option.ExactlyOne(s.Definitions["Sink"], sinks...)
	}
}

// tableNames is what editors are told of the names of tables: not all that schemas.GoodName says, because not every
// reader of JSON schemas knows the classes of Unicode.
const tableNames = `^[^-.\s!-,/:-@\[-^{-~` + "`" + `][^\s!-,/:-@\[-^{-~` + "`" + `]*$`

// nameKeys says that the keys of these mappings are names.
func nameKeys(s *jsonschema.Schema, keys ...string) {
	for _, key := range keys {
		if p, ok := s.Properties.Get(key); ok {
			p.PropertyNames = &jsonschema.Schema{Pattern: identifier.String()}
			if key == "tables" || key == "flows" {
				p.PropertyNames = &jsonschema.Schema{Pattern: tableNames}
			}
		}
	}
}

// JSONSchemaExtend adds what tags cannot say.
func (specPipeline) JSONSchemaExtend(s *jsonschema.Schema) {
	nameKeys(s, "parameters", "sources", "tables", "sinks")
}

// JSONSchemaExtend adds what tags cannot say.
func (specTable) JSONSchemaExtend(s *jsonschema.Schema) {
	nameKeys(s, "flows")
	if p, ok := s.Properties.Get("expectations"); ok {
		least, most := uint64(1), uint64(longestRule)
		p.PropertyNames = &jsonschema.Schema{MinLength: &least, MaxLength: &most}
	}
	flows := &jsonschema.Schema{}
	for _, key := range []string{"flows", "auto_cdc"} { // or both: several flows of changes
		flows.AnyOf = append(flows.AnyOf, &jsonschema.Schema{Required: []string{key}})
	}
	option.ExactlyOne(s, "sql", "sql_file")
	s.OneOf = append(s.OneOf, flows)
}

// JSONSchemaExtend adds what tags cannot say.
func (specFlow) JSONSchemaExtend(s *jsonschema.Schema) {
	option.ExactlyOne(s, "sql", "sql_file", "from")
}
