package iceberg

import (
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/lakeflow/lakeflow/schemas"
)

// icebergSchema maps columns that have their field ids.
func icebergSchema(t schemas.Table) *iceberg.Schema {
	return iceberg.NewSchema(0, icebergFields(t)...)
}

func icebergFields(t schemas.Table) []iceberg.NestedField {
	fields := make([]iceberg.NestedField, len(t))
	for i, c := range t {
		fields[i] = iceberg.NestedField{ID: c.ID, Name: c.Name, Type: icebergType(c.Type), Doc: c.Doc}
	}
	return fields
}

func icebergType(t schemas.Type) iceberg.Type {
	switch t.Kind {
	case schemas.Boolean:
		return iceberg.PrimitiveTypes.Bool
	case schemas.Integer:
		return iceberg.PrimitiveTypes.Int32
	case schemas.BigInt:
		return iceberg.PrimitiveTypes.Int64
	case schemas.Float:
		return iceberg.PrimitiveTypes.Float32
	case schemas.Double:
		return iceberg.PrimitiveTypes.Float64
	case schemas.Decimal:
		return iceberg.DecimalTypeOf(t.Precision, t.Scale)
	case schemas.Date:
		return iceberg.PrimitiveTypes.Date
	case schemas.Time:
		return iceberg.PrimitiveTypes.Time
	case schemas.Timestamp:
		return iceberg.PrimitiveTypes.Timestamp
	case schemas.TimestampTZ:
		return iceberg.PrimitiveTypes.TimestampTz
	case schemas.Blob:
		return iceberg.PrimitiveTypes.Binary
	case schemas.UUID:
		return iceberg.PrimitiveTypes.UUID
	case schemas.Struct:
		return &iceberg.StructType{FieldList: icebergFields(t.Fields)}
	case schemas.List:
		return &iceberg.ListType{ElementID: t.ElemID, Element: icebergType(*t.Elem)}
	case schemas.Map:
		return &iceberg.MapType{KeyID: t.KeyID, KeyType: icebergType(*t.Key), ValueID: t.ElemID, ValueType: icebergType(*t.Elem)}
	}
	return iceberg.PrimitiveTypes.String
}

// columns is the inverse of icebergFields; it fails on types that other writers may use and lakeflow does not know.
func columns(fields []iceberg.NestedField) (schemas.Table, error) {
	t := make(schemas.Table, len(fields))
	for i, f := range fields {
		typ, err := columnType(f.Type)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		t[i] = schemas.Column{Name: f.Name, Type: typ, ID: f.ID, Doc: f.Doc}
	}
	return t, nil
}

func columnType(t iceberg.Type) (schemas.Type, error) {
	switch t := t.(type) {
	case iceberg.DecimalType:
		return schemas.Type{Kind: schemas.Decimal, Precision: t.Precision(), Scale: t.Scale()}, nil
	case *iceberg.StructType:
		fields, err := columns(t.FieldList)
		return schemas.Type{Kind: schemas.Struct, Fields: fields}, err
	case *iceberg.ListType:
		elem, err := columnType(t.Element)
		return schemas.Type{Kind: schemas.List, Elem: &elem, ElemID: t.ElementID}, err
	case *iceberg.MapType:
		key, err := columnType(t.KeyType)
		if err != nil {
			return schemas.Type{}, err
		}
		value, err := columnType(t.ValueType)
		return schemas.Type{Kind: schemas.Map, Key: &key, Elem: &value, KeyID: t.KeyID, ElemID: t.ValueID}, err
	}
	if kind := primitiveKind(t); kind != 0 {
		return schemas.Type{Kind: kind}, nil
	}
	return schemas.Type{}, fmt.Errorf("type %s is not supported; read the table with the program that wrote it", t)
}

func primitiveKind(t iceberg.Type) schemas.Kind {
	switch t.(type) {
	case iceberg.BooleanType:
		return schemas.Boolean
	case iceberg.Int32Type:
		return schemas.Integer
	case iceberg.Int64Type:
		return schemas.BigInt
	case iceberg.Float32Type:
		return schemas.Float
	case iceberg.Float64Type:
		return schemas.Double
	case iceberg.DateType:
		return schemas.Date
	case iceberg.TimeType:
		return schemas.Time
	case iceberg.TimestampType:
		return schemas.Timestamp
	case iceberg.TimestampTzType:
		return schemas.TimestampTZ
	case iceberg.StringType:
		return schemas.Varchar
	case iceberg.BinaryType, iceberg.FixedType:
		return schemas.Blob
	case iceberg.UUIDType:
		return schemas.UUID
	}
	return 0
}

// partitionSpec maps the partition fields of a table onto its columns, which have their field ids.
func partitionSpec(fields []schemas.PartitionField, t schemas.Table, schema *iceberg.Schema) (iceberg.PartitionSpec, error) {
	var opts []iceberg.PartitionOption
	for _, f := range fields {
		c := t.Column(f.Column)
		if c == nil {
			return iceberg.PartitionSpec{}, fmt.Errorf("partition by %s: the table has no such column", f.Column)
		}
		transform, err := partitionTransform(f)
		if err != nil {
			return iceberg.PartitionSpec{}, err
		}
		opts = append(opts, iceberg.AddPartitionFieldBySourceID(c.ID, f.Name, transform, schema, nil))
	}
	spec, err := iceberg.NewPartitionSpecOpts(opts...)
	if err != nil {
		return spec, fmt.Errorf("partition by: %w", err)
	}
	return spec, nil
}

func partitionTransform(f schemas.PartitionField) (iceberg.Transform, error) {
	switch f.Transform {
	case "identity":
		return iceberg.IdentityTransform{}, nil
	case "year":
		return iceberg.YearTransform{}, nil
	case "month":
		return iceberg.MonthTransform{}, nil
	case "day":
		return iceberg.DayTransform{}, nil
	case "hour":
		return iceberg.HourTransform{}, nil
	case "bucket":
		return iceberg.BucketTransform{NumBuckets: f.Arg}, nil
	case "truncate":
		return iceberg.TruncateTransform{Width: f.Arg}, nil
	}
	return nil, fmt.Errorf("partition by %s: %q is no transform", f.Column, f.Transform)
}

// partitionFields is the inverse of partitionSpec.
func partitionFields(spec iceberg.PartitionSpec, schema *iceberg.Schema) ([]schemas.PartitionField, error) {
	var out []schemas.PartitionField
	for _, f := range spec.Fields() {
		name, ok := schema.FindColumnName(f.SourceID())
		if !ok {
			return nil, fmt.Errorf("partition field %s: its source column is gone", f.Name)
		}
		p := schemas.PartitionField{Column: name, Name: f.Name}
		switch t := f.Transform.(type) {
		case iceberg.BucketTransform:
			p.Transform, p.Arg = "bucket", t.NumBuckets
		case iceberg.TruncateTransform:
			p.Transform, p.Arg = "truncate", t.Width
		default:
			p.Transform = t.String()
		}
		out = append(out, p)
	}
	return out, nil
}

// samePartition reports whether a table's partition spec is the one asked for.
func samePartition(a, b []schemas.PartitionField) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !strings.EqualFold(a[i].Column, b[i].Column) || a[i].Transform != b[i].Transform || a[i].Arg != b[i].Arg || a[i].Name != b[i].Name {
			return false
		}
	}
	return true
}

// describePartition writes a partition spec as in a pipeline file.
func describePartition(fields []schemas.PartitionField) string {
	if len(fields) == 0 {
		return "no partitions"
	}
	texts := make([]string, len(fields))
	for i, f := range fields {
		switch {
		case f.Transform == "identity":
			texts[i] = f.Column
		case f.Arg != 0:
			texts[i] = fmt.Sprintf("%s(%d, %s)", f.Transform, f.Arg, f.Column)
		default:
			texts[i] = f.Transform + "(" + f.Column + ")"
		}
	}
	return "[" + strings.Join(texts, ", ") + "]"
}
