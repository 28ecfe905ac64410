package plan_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/lakeflow/lakeflow/engine/plan"
	"github.com/lakeflow/lakeflow/schemas"
	"github.com/lakeflow/lakeflow/sources/files"
)

// TestTraced compares which queries pass on where their rows are from, and expects those that do to give nothing else
// that is new.
func TestTraced(t *testing.T) {
	for query, want := range map[string]bool{
		"SELECT * FROM STREAM feed":                                    true,
		"SELECT id FROM STREAM feed WHERE id > 1":                      true,
		"-- SELECT\n(SELECT id AS x FROM STREAM(feed) AS f)":           true,
		"SELECT f.* EXCLUDE (name), _metadata FROM STREAM feed f":      true,
		"SELECT COLUMNS('^i') FROM STREAM feed":                        true,
		"SELECT ALL id FROM STREAM feed":                               true,
		"SELECT *, * EXCLUDE (id, name), id + 1 AS x FROM STREAM feed": false,
		"SELECT * REPLACE (id + 1 AS id) FROM STREAM feed":             true,
		"SELECT * RENAME (id AS x) FROM STREAM feed":                   true,
		"SELECT x: id FROM STREAM feed":                                true,
		"SELECT feed.name, * EXCLUDE (name) FROM STREAM feed":          true,
		"FROM STREAM feed":                                             true,
		"FROM STREAM feed SELECT *":                                    true,
		"FROM STREAM feed SELECT id":                                   false, // there is no SELECT at its beginning
		"SELECT name AS feed, id FROM STREAM feed":                     true,
		"SELECT to_json(feed) AS j FROM STREAM feed":                   false,
		"SELECT to_json(f) AS j FROM STREAM feed AS f":                 false,
		"SELECT id FROM STREAM feed AS f WHERE hash(f) > 0":            false,
		"SELECT hash(*COLUMNS(*)) AS h FROM STREAM feed":               false,
		"SELECT a, b FROM STREAM feed AS f(a, b)":                      false,
		"SELECT count(*) AS n FROM STREAM feed":                        false,
		"SELECT id FROM STREAM feed GROUP BY id":                       false,
		"SELECT DISTINCT id FROM STREAM feed":                          false,
		"SELECT id, row_number() OVER () AS n FROM STREAM feed":        false,
		"SELECT unnest([1, 2]) AS x FROM STREAM feed":                  false,
		"SELECT id FROM STREAM feed ORDER BY id LIMIT 2":               false,
		"SELECT a.id FROM STREAM feed a JOIN feed b USING (id)":        false,
		"SELECT id FROM STREAM feed UNION ALL SELECT 1":                false,
		"WITH w AS (SELECT id FROM STREAM feed) SELECT * FROM w":       false,
		"SELECT id, (SELECT max(id) FROM feed) AS m FROM STREAM feed":  false,
	} {
		p := compile(t, connect(t), pipeline([]string{"feed"}, table("t", plan.StreamingTable, query)),
			map[string]schemas.Table{"feed": columns(t, "id BIGINT", "name VARCHAR")})
		f := p.Datasets[0].Flows[0]
		if got := len(f.Provenance) > 0; got != want || got != (f.Traced != "") || got != (f.TracedProject != "") {
			t.Errorf("%s: %v, want %v: %s", query, got, want, f.Traced)
			continue
		}
		if !want {
			continue
		}
		conn := connect(t)
		hidden := schemas.Provenance(true)
		metadata := ""
		if f.UsesMetadata {
			metadata = "NULL::" + files.MetadataStruct + " AS _metadata, "
		}
		exec(t, conn, `CREATE SCHEMA "__stream"`, `CREATE TABLE "__stream".feed AS SELECT i AS id, 'n' || i AS name, `+metadata+
			`i + 100 AS __lakeflow_place, i + 200 AS __lakeflow_partition, i + 300 AS __lakeflow_position FROM range(2, 4) r(i)`)
		var n, ids, places, positions int64
		err := conn.QueryRowContext(context.Background(), fmt.Sprintf("SELECT count(*), count(DISTINCT %s), sum(%s), sum(%s) FROM (%s\n)", hidden[0].Name, hidden[1].Name, hidden[2].Name,
			f.LocatedProject)).Scan(&n, &ids, &places, &positions)
		if err != nil || n != 2 || ids != 2 || places != 405 || positions != 605 {
			t.Errorf("%s: %d %d %d %d, %v", query, n, ids, places, positions, err)
		}
	}
}
