package plan

import (
	"context"
	"strings"

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
		seen := map[string]bool{}
		for _, p := range d.decl.PartitionBy {
			field, ok := c.partitionField(d, p)
			if !ok {
				continue
			}
			// Two transforms of one column make sense when they differ; Iceberg refuses redundant time transforms.
			key := strings.ToLower(field.Column) + " " + redundancy(field.Transform)
			if seen[key] || seen[field.Name] {
				c.diags.Errorf(codePartDuplicate, p.Range, "leave it out", "%s is partitioned by %s of %s twice", d.name, transformWord(field.Transform), field.Column)
				continue
			}
			seen[key], seen[field.Name] = true, true
			d.out.Partition = append(d.out.Partition, field)
		}
	}
	return nil
}

// redundancy groups the transforms of which a column can have only one.
func redundancy(transform string) string {
	switch transform {
	case "year", "month", "day", "hour":
		return "time"
	}
	return transform
}

func transformWord(transform string) string {
	switch redundancy(transform) {
	case "time":
		return "a time"
	case "identity":
		return "the value"
	}
	return "a " + transform
}

func (c *compiler) partitionField(d *dataset, p dsl.PartitionBy) (schemas.PartitionField, bool) {
	col := d.columns.Column(p.Column)
	if col == nil {
		c.diags.Errorf(codePartColumn, p.Range, diag.DidYouMean(p.Column, d.columns.Names(), "name a column of the query's output"), "%s has no column %q to partition by", d.name, p.Column)
		return schemas.PartitionField{}, false
	}
	if fits, want := transformFits(p.Transform, col.Type.Kind); !fits {
		c.diags.Errorf(codePartType, p.Range, "it takes "+want, "the transform %s does not fit column %s, which is %s", p.Transform, col.Name, typeWithArticle(col.Type.String()))
		return schemas.PartitionField{}, false
	}
	return schemas.PartitionField{Column: col.Name, Transform: p.Transform, Arg: p.Arg, Name: partitionName(p.Transform, col.Name)}, true
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
		return column
	case "truncate":
		return column + "_trunc"
	}
	return column + "_" + transform
}
