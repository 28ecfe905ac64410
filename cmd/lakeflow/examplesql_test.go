package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestExampleLakehouse runs the example in Databricks' SQL day by day and all at once, by its bundle, and compares the
// tables with what was worked out by hand from its data.
func TestExampleLakehouse(t *testing.T) {
	from := "../../examples/lakehouse_sql"
	dir := t.TempDir()
	daily, once := filepath.Join(dir, "daily"), filepath.Join(dir, "once")
	for _, to := range []string{daily, once} {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(to, "warehouse")); err != nil {
			t.Fatal(err)
		}
	}
	second := []string{"data/rides/2026-05-02.json", "data/members/2026-05-02.json"}
	for _, file := range second {
		if err := os.Remove(filepath.Join(daily, file)); err != nil {
			t.Fatal(err)
		}
	}
	inDir(t, daily, "lakeflow", "run")
	for _, file := range second {
		content, err := os.ReadFile(filepath.Join(from, file))
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(daily, file), string(content))
	}
	inDir(t, daily, "lakeflow", "run", "databricks.yml", "--target", "dev")
	if got := output(t, daily, "lakeflow run --target prod"); strings.Count(got, " updated ") != 9 {
		t.Errorf("another target does not begin with empty tables:\n%s", got)
	}
	inDir(t, once, "lakeflow", "run")
	want := map[string]string{
		"SELECT day, rides, long_rides, avg_minutes, rain_mm FROM rides_by_day ORDER BY day": "day,rides,long_rides,avg_minutes,rain_mm\n" +
			"2026-05-01,3,1,42.7,0.0\n2026-05-02,3,1,510.3,6.4\n",
		"SELECT * FROM rides_by_district ORDER BY ALL": "district,plan,rides,minutes\nHillside,day,1,1500\nOld Town,month,2,112\nOld Town,year,2,26\n" +
			"Waterfront,none,1,21\n",
		"SELECT * FROM bikes.busiest_stations ORDER BY ALL": "day,station,rides\n2026-05-01,Central Station,1\n2026-05-01,Harbour,1\n" +
			"2026-05-02,Central Station,1\n2026-05-02,Market Square,1\n",
		"SELECT * FROM silver.members ORDER BY id": "id,name,plan\n10,Ada,year\n11,Benjamin,month\n13,Dora,day\n",
		`SELECT id, name, plan, "__START_AT" AS since, "__END_AT" AS until FROM silver.members_history ORDER BY id, since`: "id,name,plan,since,until\n" +
			"10,Ada,day,0,1\n10,Ada,year,1,\n11,Ben,day,2,5\n11,Benjamin,month,5,\n12,Chi,month,3,8\n13,Dora,day,7,\n",
		"SELECT station_id, name FROM bronze.stations ORDER BY ALL": "station_id,name\n1,Central Station\n2,Market Square\n3,Harbour\n4,University\n",
		`SELECT "table" AS t, v.name AS rule, count(*) AS n FROM (SELECT "table", unnest(violated) AS v FROM dead_letter) AS d GROUP BY ALL ORDER BY ALL`: "t,rule,n\n" +
			"bronze.stations,has_name,1\nsilver.rides,ends_after_start,1\nsilver.rides,known_bike,1\n",
	}
	for _, to := range []string{daily, once} {
		for query, rows := range want {
			if got := output(t, to, "lakeflow query --format csv '"+query+"'"); got != rows {
				t.Errorf("%s: %s gives\n%swant\n%s", filepath.Base(to), query, got, rows)
			}
		}
		inDir(t, to, "lakeflow", "audit", "--deep")
	}
	// As a pipeline file it is the same pipeline: nothing is new.
	inDir(t, once, "lakeflow", "convert", ".", "-o", "../yaml")
	if got := output(t, filepath.Join(dir, "yaml"), "lakeflow run"); strings.Contains(got, " updated ") || strings.Count(got, " unchanged ") != 9 {
		t.Errorf("the converted pipeline does something:\n%s", got)
	}
}
