package files

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	parquetmeta "github.com/parquet-go/parquet-go/format"

	"github.com/lakeflow/lakeflow/sources/records"
)

// deepestColumn is how deep columns may nest: DuckDB goes down into them by recursion.
const deepestColumn = 100

var errEncrypted = &unsupportedError{"it is encrypted", "write it without encryption"}

// soundFooter looks at the footer of a Parquet file before DuckDB does, which ends the process, or is of no use any
// more, over some that are damaged.
func soundFooter(path string) (*parquetmeta.FileMetaData, error) {
	meta, size, err := readFooter(path)
	if err != nil {
		return nil, err
	}
	return meta, checkFooter(meta, size)
}

func checkFooter(meta *parquetmeta.FileMetaData, size int64) error {
	c := footerCheck{schema: meta.Schema}
	if _, err := c.node(0); err != nil {
		return err
	}
	if len(c.leaves) == 0 {
		return &unsupportedError{"it has no columns", "remove it"}
	}
	if c.next != len(c.schema) {
		return errors.New("its schema has columns that belong to nothing")
	}
	if meta.EncryptionAlgorithm.Value != nil {
		return errEncrypted
	}
	for _, group := range meta.RowGroups {
		if len(group.Columns) != len(c.leaves) || group.NumRows < 0 {
			return errors.New("a row group does not have the columns of the schema")
		}
		for i, chunk := range group.Columns {
			m := chunk.MetaData
			if m.Type != c.leaves[i] || m.NumValues < 0 || m.TotalCompressedSize < 0 || m.DataPageOffset < 0 || m.DictionaryPageOffset < 0 ||
				max(m.DataPageOffset, m.DictionaryPageOffset) > size {
				return errors.New("what its footer tells of a column can't be true")
			}
		}
	}
	return nil
}

// readFooter decodes the footer.
func readFooter(path string) (meta *parquetmeta.FileMetaData, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() // opened for reading
	if size, err = f.Seek(0, io.SeekEnd); err != nil {
		return nil, 0, err
	}
	var tail [8]byte
	if size < 12 {
		return nil, 0, errors.New("it is too short for a Parquet file")
	}
	if _, err := f.ReadAt(tail[:], size-8); err != nil {
		return nil, 0, err
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	switch magic := string(tail[4:]); {
	case magic == "PARE":
		return nil, 0, errEncrypted
	case magic != "PAR1":
		return nil, 0, errors.New("it does not end like a Parquet file")
	case length > size-12:
		return nil, 0, errors.New("its footer is longer than the file")
	}
	text := make([]byte, length)
	if _, err := f.ReadAt(text, size-8-length); err != nil {
		return nil, 0, err
	}
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("its footer can't be decoded")
		}
	}()
	meta = new(parquetmeta.FileMetaData)
	in := new(thrift.CompactProtocol).NewReaderFromBytes(text)
	if err := thrift.NewDecoder(boundedReader{in, len(text)}).Decode(meta); err != nil {
		return nil, 0, fmt.Errorf("its footer can't be decoded: %w", err)
	}
	return meta, size, nil
}

// boundedReader refuses lists that are longer than what is read: memory would be taken for them first.
type boundedReader struct {
	thriftReader
	size int
}

// thriftReader has another name than its method Reader.
type thriftReader = thrift.Reader

func (r boundedReader) ReadList() (thrift.List, error) {
	l, err := r.thriftReader.ReadList()
	if err == nil && (l.Size < 0 || int(l.Size) > r.size-r.BytesRead()) {
		err = errors.New("a list is longer than the footer")
	}
	return l, err
}

// footerCheck walks over the schema in a footer, whose nodes are in the order of a walk.
type footerCheck struct {
	schema []parquetmeta.SchemaElement
	next   int
	leaves []parquetmeta.Type
}

// schemaNode is a column or a group of columns.
type schemaNode struct {
	parquetmeta.SchemaElement
	children []schemaNode
}

// node checks the next node and what is in it.
func (c *footerCheck) node(depth int) (n schemaNode, err error) {
	if c.next >= len(c.schema) {
		return n, errors.New("its schema lacks columns")
	}
	n.SchemaElement = c.schema[c.next]
	c.next++
	children := int(n.NumChildren.V)
	root := depth == 0
	switch {
	case depth > deepestColumn:
		return n, &unsupportedError{fmt.Sprintf("its columns nest more than %d levels deep", deepestColumn), "write what is deeper as JSON text"}
	case children < 0 || n.TypeLength.V < 0 || n.Scale.V < 0 || n.Precision.V < 0:
		return n, n.wrong("has a size below zero")
	case !root && !n.RepetitionType.Valid:
		return n, n.wrong("is neither required nor optional")
	case children > 0 && n.Type.Valid:
		return n, n.wrong("has a type and columns in it")
	case children == 0 && !root:
		return n, c.leaf(n)
	}
	for range children {
		child, err := c.node(depth + 1)
		if err != nil {
			return n, err
		}
		if child.Name == "" && !root && !n.wraps() {
			return n, &unsupportedError{fmt.Sprintf("column %s has a field without a name", records.Shown(n.Name)), "name it"}
		}
		n.children = append(n.children, child)
	}
	if _, ok := n.LogicalType.Value.(*parquetmeta.VariantType); ok && !n.variant("metadata", "value") {
		return n, n.wrong("is a VARIANT without its parts")
	}
	return n, nil
}

// wraps says whether the node is part of what lists and maps are made of, whose names do not matter.
func (n schemaNode) wraps() bool {
	return n.ConvertedType.Valid || n.LogicalType.Value != nil || n.RepetitionType.V == parquetmeta.Repeated
}

func (n schemaNode) wrong(what string) error {
	return fmt.Errorf("column %s in its schema %s", records.Shown(n.Name), what)
}

// variant says whether the node is made as a VARIANT must be: of the first parts, and typed_value, in which are such
// nodes again.
func (n schemaNode) variant(first ...string) bool {
	if len(n.children) < len(first) || len(n.children) > len(first)+1 {
		return false
	}
	for i, part := range n.children {
		switch {
		case part.RepetitionType.V == parquetmeta.Repeated:
			return false
		case i < len(first) && (part.Name != first[i] || part.Type.V != parquetmeta.ByteArray || len(part.children) > 0):
			return false
		case i >= len(first) && (part.Name != "typed_value" || !part.typedValue()):
			return false
		}
	}
	return true
}

// typedValue says whether the node is a leaf, a list of parts of a VARIANT, or a struct of them.
func (n schemaNode) typedValue() bool {
	items := n.children
	if len(items) == 1 && items[0].RepetitionType.V == parquetmeta.Repeated {
		_, list := n.LogicalType.Value.(*parquetmeta.ListType)
		if !list && (!n.ConvertedType.Valid || n.ConvertedType.V != deprecated.List) {
			return false
		}
		items = items[0].children
	}
	for _, item := range items {
		shredded := item.variant("value") || len(item.children) == 1 && item.children[0].Name == "typed_value" && item.children[0].typedValue()
		if item.RepetitionType.V == parquetmeta.Repeated || !shredded {
			return false
		}
	}
	return true
}

func (c *footerCheck) leaf(n schemaNode) error {
	switch {
	case !n.Type.Valid || n.Type.V < parquetmeta.Boolean || n.Type.V > parquetmeta.FixedLenByteArray:
		return n.wrong("has no type")
	case n.Type.V == parquetmeta.FixedLenByteArray && n.TypeLength.V == 0:
		return n.wrong("has no length")
	}
	c.leaves = append(c.leaves, n.Type.V)
	return nil
}

// checkFooters drops files with footers that DuckDB must not see, and marks those with values that it must not.
func (w *work) checkFooters() {
	files := slices.Clone(w.files)
	causes := make([]error, len(files))
	eachFile(files, func(i int, f *file) {
		meta, err := soundFooter(f.path)
		if err == nil {
			f.strays = !allMean(f.path, meta)
		}
		causes[i] = err
	})
	for i, f := range files {
		if causes[i] != nil {
			w.drop(f, causes[i])
		}
	}
}
