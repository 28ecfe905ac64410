// Package option is what the parts of a pipeline file are declared with: structs whose tags say which keys there are. A
// connector owns such a struct for its options, and knows nothing of the syntax that they are written in.
//
// A struct embeds Node, with the tag yaml:"-". The tags of its other fields are
//
//	yaml                    the key
//	jsonschema              required, enum=…, default=…, minimum=… and what else there is for the JSON schema of the file
//	jsonschema_description  for people: what the key is for
//	default                 the default of a Size or Duration, in words that a file would have
//	option                  "text": ${parameter}, ${env:NAME} and ${file:path} are replaced in a text; "path": in a path too, which is absolute then;
//	                        "local path": in a path that stays relative to the folder of the file
//
// Fields are structs, maps with texts for keys, slices, pointers, string, bool, int and int64, and types that implement
// Custom.
package option

import "github.com/lakeflow/lakeflow/dsl/diag"

// Node is the place of a mapping in a file, embedded in every declared thing.
type Node struct {
	// Range is the name or key that the thing is declared under.
	Range diag.Range
	// Fields are the ranges of the values by key; for a mapping or list, that of the key itself. It is nil when there
	// is no mapping.
	Fields map[string]diag.Range
	// Flawed is true when a mistake was reported that may change what the thing gives.
	Flawed bool
	wrong  map[string]bool // the keys whose values could not be read
}

// At returns the range of the field's value, or of the thing itself when the field was not written.
func (n Node) At(field string) diag.Range {
	if r, ok := n.Fields[field]; ok {
		return r
	}
	return n.Range
}

// Has reports whether the key was written.
func (n Node) Has(field string) bool {
	_, ok := n.Fields[field]
	return ok
}

// Read reports whether the key was written, with a value that could be read.
func (n Node) Read(field string) bool { return n.Has(field) && !n.wrong[field] }

// Written returns those of the keys that were written.
func (n Node) Written(keys ...string) []string {
	var written []string
	for _, key := range keys {
		if n.Has(key) {
			written = append(written, key)
		}
	}
	return written
}
