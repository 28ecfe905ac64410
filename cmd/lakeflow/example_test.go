package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestExampleCustomers runs the example of changes day by day, and all at once: both give the same tables.
func TestExampleCustomers(t *testing.T) {
	days := []string{"2026-03-01", "2026-03-02"}
	dir := t.TempDir()
	put := func(name, content string) { writeFile(t, filepath.Join(dir, name, "pipeline.yaml"), content) }
	file := func(path string) string {
		content, err := os.ReadFile(filepath.Join("../../examples/customers_cdc", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	put("daily", file("pipeline.yaml"))
	put("once", file("pipeline.yaml"))
	for _, day := range days {
		for _, path := range []string{"data/customers/" + day + ".json", "data/orders/" + day + ".csv", "data/suppliers/" + day + ".json"} {
			writeFile(t, filepath.Join(dir, "daily", path), file(path))
			writeFile(t, filepath.Join(dir, "once", path), file(path))
		}
		inDir(t, filepath.Join(dir, "daily"), "lakeflow", "run")
	}
	inDir(t, filepath.Join(dir, "once"), "lakeflow", "run")
	want := map[string]string{
		"SELECT id, city, tier FROM customers ORDER BY id": "id,city,tier\n1,Trondheim,gold\n2,Lisboa,silver\n3,Bergen,silver\n",
		`SELECT id, city, "__START_AT" AS since, "__END_AT" AS until FROM customers_history WHERE id IN (2, 4) ORDER BY id, since`: "id,city,since,until\n" +
			"2,Porto,2026-03-01 08:05:00,2026-03-01 12:00:00\n2,Coimbra,2026-03-01 12:00:00,2026-03-01 17:30:00\n2,Lisboa,2026-03-01 17:30:00,\n" +
			"4,Lund,2026-03-01 09:00:00,2026-03-02 11:59:00\n4,Malmö,2026-03-02 11:59:00,2026-03-02 12:00:00\n",
		"SELECT * FROM orders_by_city ORDER BY city": "city,tier,orders,amount\nCoimbra,silver,1,9.00\nLisboa,,1,22.00\nLund,bronze,1,7.25\nOslo,gold,2,52.00\n" +
			"Porto,silver,1,15.50\nTrondheim,gold,1,18.00\n",
		"SELECT * FROM suppliers ORDER BY id": "id,name,country,rating\n2,Sal e Mar,PT,5\n3,Nordkaffe,NO,4\n",
		`SELECT id, rating, "__END_AT" IS NULL AS now FROM suppliers_history ORDER BY id, "__START_AT"`: "id,rating,now\n1,4,false\n2,,false\n2,5,true\n3,4,true\n",
		"SELECT * FROM customers_by_city ORDER BY city":                                                 "city,customers\nBergen,1\nLisboa,1\nTrondheim,1\n",
	}
	for _, name := range []string{"daily", "once"} {
		for query, rows := range want {
			if got := output(t, filepath.Join(dir, name), "lakeflow query --format csv '"+query+"'"); got != rows {
				t.Errorf("%s: %s gives\n%swant\n%s", name, query, got, rows)
			}
		}
		inDir(t, filepath.Join(dir, name), "lakeflow", "audit", "--deep")
	}
}
