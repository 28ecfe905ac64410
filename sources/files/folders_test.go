package files

import (
	"fmt"
	"strings"
	"testing"
)

// TestFolders reads columns from the names of folders, in all formats, with records that are read one by one and
// without.
func TestFolders(t *testing.T) {
	for _, format := range []string{"json", "csv", "parquet"} {
		for _, bad := range []bool{false, true} {
			b := newBed(t)
			put := func(folder, id string) {
				name := folder + "/" + id + "." + format
				switch format {
				case "json":
					b.put(name, fmt.Sprintf("{\"id\": %s, \"v\": 1}\n{\"id\": 100}\n", id)+map[bool]string{true: `{"id": "x"}`}[bad])
				case "csv":
					b.put(name, "id,v\n"+id+",1\n100,\n"+map[bool]string{true: "x,2\n"}[bad])
				default:
					query := fmt.Sprintf("SELECT unnest([%s, 100]) AS id, 1 AS v", id)
					if bad {
						query = fmt.Sprintf("SELECT unnest(['%s', '100', 'x']) AS id, 1 AS v", id)
					}
					b.write(name, query)
				}
			}
			put("year=2023/region=eu%2Fwest/day=2023-01-31", "1")
			put("year=2024/region=__HIVE_DEFAULT_PARTITION__/day=2024-01-31", "2")
			put("year=2024/region=O'Brien/day=__HIVE_DEFAULT_PARTITION__", "3")
			hints := func(c *Config) { c.Hints = []Hint{{"id", "BIGINT"}} }
			s := b.source(format, hints)
			schema, err := s.Schema(t.Context(), b.session, nil)
			if err != nil {
				t.Fatal(err)
			}
			batch := b.next(s)
			if got := strings.Join(schema.Columns.Names(), ","); got != strings.Join(batch.Columns.Names(), ",") || got != "id,v,year,region,day" {
				t.Errorf("%s: columns %s and %s", format, got, batch.Columns.SQLColumns())
			}
			rows := func() string {
				b.rows(batch) // repairs
				return b.must("SELECT id, year, region, day::VARCHAR, _metadata.file_name FROM " + batch.Relation + " WHERE id < 100 ORDER BY id")
			}
			if types := batch.Columns.SQLColumns(); !strings.HasSuffix(types, `"year" BIGINT, "region" VARCHAR, "day" DATE`) {
				t.Errorf("%s: %s", format, types)
			}
			wantText(t, format, rows(), strings.ReplaceAll("1|2023|eu/west|2023-01-31|1.F\n2|2024|NULL|2024-01-31|2.F\n3|2024|O'Brien|NULL|3.F\n", "F", format))
			if rejects := int64(3); bad && batch.RejectCount != rejects || !bad && batch.RejectCount != 0 {
				t.Errorf("%s: %s", format, b.rejects(batch))
			}
			b.commit(batch)
			put("region=x", "4")
			put("year=next/region=x/day=2024-01-31", "5")
			put("YEAR=2025/region=x/day=2024-01-31/more=1", "6")
			batch = b.next(s)
			wantText(t, format+" later", rows(), strings.ReplaceAll("4|NULL|x|NULL|4.F\n6|2025|x|2024-01-31|6.F\n", "F", format))
			wantText(t, format+" later", notices(batch), strings.ReplaceAll("file_unsupported year=next/region=x/day=2024-01-31/5.F, folder_missing region=x/4.F, folder_missing region=x/4.F", "F", format))
			if rejects := b.rejects(batch); !strings.Contains(rejects, "next of its folder year=… is not BIGINT; rename the folder, or declare the column VARCHAR") {
				t.Errorf("%s: %s", format, rejects)
			}
			snapshot, err := s.Snapshot(t.Context(), b.session, batch.Position)
			if err != nil {
				t.Fatal(err)
			}
			batch = snapshot
			if got := rows(); strings.Count(got, "\n") != 5 {
				t.Errorf("%s, snapshot: %s", format, got)
			}
		}
	}
}

// TestFoldersOfRecords expects that the value of a record wins over that of its folder.
func TestFoldersOfRecords(t *testing.T) {
	b := newBed(t)
	b.put("year=2024/a.json", `{"id": 1, "Year": 1999}`+"\n"+`{"id": 2}`+"\n"+`{"id": 3, "Year": null}`)
	batch := b.next(b.source("json", nil))
	wantText(t, "columns", batch.Columns.SQLColumns(), `"id" BIGINT, "Year" BIGINT`)
	wantText(t, "rows", sorted(b.rows(batch)), "1|1999\n2|2024\n3|2024\n")
}

// TestFoldersDeclared declares which folders make columns, and their types.
func TestFoldersDeclared(t *testing.T) {
	read := func(change func(*Config)) (columns, rows, said string) {
		b := newBed(t)
		b.put("year=2023/month=01/a.json", `{"id": 1}`)
		b.put("year=2024/b.json", `{"id": 2}`)
		b.put("c.json", `{"id": 3}`)
		batch := b.next(b.source("json", change))
		return batch.Columns.SQLColumns(), sorted(b.rows(batch)), notices(batch)
	}
	for name, c := range map[string]struct {
		change              func(*Config)
		columns, rows, said string
	}{
		"auto": {nil, `"id" BIGINT`, "1\n2\n3\n", ""},
		"list": {func(c *Config) { c.PartitionColumns.Names = []string{"year"} }, `"id" BIGINT, "year" BIGINT`, "1|2023\n2|2024\n", "file_unsupported c.json"},
		"type": {func(c *Config) {
			c.PartitionColumns.Names, c.Hints = []string{"year", "month"}, []Hint{{"month", "VARCHAR"}, {"year", "INTEGER"}}
		},
			`"id" BIGINT, "month" VARCHAR, "year" INTEGER`, "1|01|2023\n", "file_unsupported c.json, file_unsupported year=2024/b.json"},
		"texts": {func(c *Config) { c.PartitionColumns.Names, c.Texts = []string{"month"}, true }, `"id" VARCHAR, "month" VARCHAR`, "1|01\n",
			"file_unsupported c.json, file_unsupported year=2024/b.json"},
	} {
		columns, rows, said := read(c.change)
		wantText(t, name, columns, c.columns)
		wantText(t, name, rows, c.rows)
		wantText(t, name, said, c.said)
	}
	b := newBed(t)
	b.put("year=2023/a.json", `{"id": 1}`)
	batch := b.next(b.source("json", func(c *Config) { c.PartitionColumns.None = true }))
	wantText(t, "none", batch.Columns.SQLColumns(), `"id" BIGINT`)
	b.commit(batch)
	b.put("year=2024/b.json", `{"id": 2}`)
	batch = b.next(b.source("json", func(c *Config) { c.PartitionColumns.Names = []string{"year"} }))
	wantText(t, "declared later", batch.Columns.SQLColumns()+" "+notices(batch)+" "+b.rows(batch), "\"id\" BIGINT, \"year\" BIGINT column_added year 2|2024\n")
}
