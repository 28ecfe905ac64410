package plan

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/lakeflow/lakeflow/dsl"
	"github.com/lakeflow/lakeflow/dsl/diag"
	"github.com/lakeflow/lakeflow/schemas"
)

// checkPartitions checks the partition fields against the columns and names them as Iceberg's writers do.
func (c *compiler) checkPartitions(context.Context) error {
	for _, d := range c.ordered {
		if d.failed {
			continue
		}
		earlier, names := map[string]schemas.PartitionField{}, map[string]bool{}
		for _, p := range d.decl.PartitionBy {
			field, ok := c.partitionField(d, p)
			if !ok {
				continue
			}
			key := field.Column + " " + redundancy(field.Transform)
			if first, twice := earlier[key]; twice {
				c.diags.Errorf(codePartDuplicate, p.Range, "keep one of them", "%s is partitioned by %s already; %s",
					d.name, partitionText(first), onlyOne(field.Transform))
				continue
			}
			if names[strings.ToLower(field.Name)] {
				c.diags.Errorf(codePartName, p.Range, "give the column another name with AS", "two partition fields of %s would have the name %s", d.name, field.Name)
				continue
			}
			earlier[key], names[strings.ToLower(field.Name)] = field, true
			d.out.Partition = append(d.out.Partition, field)
		}
	}
	return nil
}

// describeColumns puts what the file says of columns into them.
func (c *compiler) describeColumns(context.Context) error {
	for _, d := range c.ordered {
		if d.failed {
			continue
		}
		c.checkList(d)
		for _, x := range d.decl.Columns {
			col := d.columns.Column(x.Name)
			if col == nil && len(d.types) > 0 {
				continue // which is reported
			}
			if col == nil {
				c.diags.Errorf(codeDescribed, x.Range, diag.DidYouMean(x.Name, d.columns.Names(), "name a column of the query's output"), "%s has no column %q to describe", d.name, x.Name)
				continue
			}
			col.Doc = c.secrets.Hide(x.Description)
		}
	}
	return nil
}

// redundancy groups the transforms of which Iceberg allows a column only one.
func redundancy(transform string) string {
	switch transform {
	case "year", "month", "day", "hour":
		return "time"
	}
	return transform
}

// onlyOne says why a second transform is refused.
func onlyOne(transform string) string {
	if redundancy(transform) == "time" {
		return "a column has one of year, month, day and hour"
	}
	return "a column has one " + transform
}

func (c *compiler) partitionField(d *dataset, p dsl.PartitionBy) (schemas.PartitionField, bool) {
	col := d.columns.Column(p.Column)
	if col == nil {
		c.diags.Errorf(codePartColumn, p.Range, diag.DidYouMean(p.Column, d.columns.Names(), "name a column of the query's output"), "%s has no column %q to partition by", d.name, p.Column)
		return schemas.PartitionField{}, false
	}
	if d.doubtful {
		return schemas.PartitionField{}, false
	}
	if fits, want := transformFits(p.Transform, col.Type.Kind); !fits {
		c.diags.Errorf(codePartType, p.Range, "it takes "+want, "the transform %s does not fit column %s, which is %s", p.Transform, col.Name, typeWithArticle(col.Type.String()))
		return schemas.PartitionField{}, false
	}
	field := schemas.PartitionField{Column: col.Name, Transform: p.Transform, Arg: p.Arg, Name: partitionName(p.Transform, col.Name)}
	if clash := d.columns.Column(field.Name); clash != nil && (p.Transform != "identity" || clash.Name != col.Name) {
		c.diags.Errorf(codePartName, p.Range, "give the column another name with AS, or leave it out: * EXCLUDE ("+clash.Name+")",
			"%s has a column %s, which is the name that Iceberg gives the partition field %s", d.name, clash.Name, partitionText(field))
		return schemas.PartitionField{}, false
	}
	return field, true
}

// transformFits says whether Iceberg defines the transform for a type, and which types it takes.
func transformFits(transform string, k schemas.Kind) (fits bool, want string) {
	day := k == schemas.Date
	instant := k == schemas.Timestamp || k == schemas.TimestampTZ
	switch transform {
	case "year", "month", "day":
		return day || instant, "a DATE or TIMESTAMP"
	case "hour":
		return instant, "a TIMESTAMP"
	case "bucket":
		switch k {
		case schemas.Integer, schemas.BigInt, schemas.Decimal, schemas.Time, schemas.Varchar, schemas.UUID, schemas.Blob:
			return true, ""
		}
		return day || instant, "an integer, DECIMAL, DATE, TIME, TIMESTAMP, VARCHAR, UUID or BLOB"
	case "truncate":
		return k == schemas.Integer || k == schemas.BigInt || k == schemas.Decimal || k == schemas.Varchar, "an integer, DECIMAL or VARCHAR"
	}
	return k != schemas.Struct && k != schemas.List && k != schemas.Map, "a column that is not a STRUCT, list or MAP"
}

// partitionName is the name that Iceberg's own writers give the field.
func partitionName(transform, column string) string {
	switch transform {
	case "identity":
		return avroName(column)
	case "truncate":
		return avroName(column + "_trunc")
	}
	return avroName(column + "_" + transform)
}

// avroName replaces what names in Avro, the format of Iceberg's manifests, cannot hold.
func avroName(name string) string {
	b := []byte(name)
	for i, c := range b {
		if !nameByte(c) || c == '$' || c >= utf8.RuneSelf || i == 0 && c >= '0' && c <= '9' {
			b[i] = '_'
		}
	}
	return string(b)
}
