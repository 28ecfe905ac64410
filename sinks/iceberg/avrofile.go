package iceberg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// rewriteAvro has change look at every record of an Avro file, and encodes what it leaves of them with the same schema
// and metadata. Values are decoded without their logical types, so that what is not changed is what it was, bit by bit.
func rewriteAvro(content []byte, change func(record map[string]any) error) ([]byte, error) {
	var plain *avro.Schema
	schemaOf := func(r *ocf.Reader) (_ *avro.Schema, err error) {
		plain, err = withoutLogicalTypes(r.Metadata()["avro.schema"])
		return plain, err
	}
	r, err := ocf.NewReader(bytes.NewReader(content), ocf.WithReaderSchemaFunc(schemaOf))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	header := maps.Clone(r.Metadata())
	codec, err := codecOf(string(header["avro.codec"]))
	if err != nil {
		return nil, err
	}
	schema := string(header["avro.schema"])
	maps.DeleteFunc(header, func(key string, _ []byte) bool { return strings.HasPrefix(key, "avro.") })
	var out bytes.Buffer
	w, err := ocf.NewWriter(&out, plain, ocf.WithSchema(schema), ocf.WithMetadata(header), ocf.WithCodec(codec))
	if err != nil {
		return nil, err
	}
	for {
		var record map[string]any
		if err := r.Decode(&record); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if err := change(record); err != nil {
			return nil, err
		}
		if err := w.Encode(record); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// withoutLogicalTypes is a schema whose dates are ints and whose decimals are bytes.
func withoutLogicalTypes(text []byte) (*avro.Schema, error) {
	var schema any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&schema); err != nil {
		return nil, fmt.Errorf("decode the schema: %w", err)
	}
	dropLogicalTypes(schema)
	plain, err := json.Marshal(schema)
	if err != nil {
		return nil, err
	}
	return avro.Parse(string(plain))
}

func dropLogicalTypes(schema any) {
	switch node := schema.(type) {
	case map[string]any:
		for _, key := range []string{"logicalType", "precision", "scale"} {
			delete(node, key)
		}
		for _, child := range node {
			dropLogicalTypes(child)
		}
	case []any:
		for _, child := range node {
			dropLogicalTypes(child)
		}
	}
}

// codecOf is the codec of a name in an Avro file's header.
func codecOf(name string) (ocf.Codec, error) {
	switch name {
	case "deflate":
		return ocf.DeflateCodec(-1), nil
	case "snappy":
		return ocf.SnappyCodec(), nil
	case "zstandard":
		return ocf.ZstdCodec(nil, nil)
	case "", "null":
		return nil, nil // the writer's own
	}
	return nil, fmt.Errorf("it is compressed with %s, which is not known", name)
}
