package main

import (
	"context"
	"fmt"
)

// sparkLimit is what the orders may take in Spark's dialect, to the same in DuckDB's.
const sparkLimit = 1.05

// orderRowsSQL tells of every row of the orders' tables, whatever their order. Sums are of whole cents, in which they agree.
const orderRowsSQL = `SELECT 'bronze' AS name, count(*) AS rows, CAST(bit_xor(hash(t)) AS VARCHAR) AS hash FROM bronze AS t
UNION ALL SELECT 'silver', count(*), CAST(bit_xor(hash(t)) AS VARCHAR) FROM silver AS t
UNION ALL SELECT 'gold', count(*), CAST(bit_xor(hash(country, channel, day, orders, CAST(round(amount * 100) AS BIGINT))) AS VARCHAR) FROM gold
UNION ALL SELECT 'dead', count(*), CAST(bit_xor(hash("table", list_transform(violated, lambda v: v.name), "row", line)) AS VARCHAR) FROM dead_letter
ORDER BY name`

// ordersSpark measures the orders with queries and expectations in Spark's dialect. The same text means the same in both
// dialects: what differs is the translation, and what it puts around the columns.
func ordersSpark(ctx context.Context, b *bench) error {
	from, err := b.orderFeed(ctx, "json")
	if err != nil {
		return err
	}
	spaces, got, err := b.ordersBeside(ctx, from, map[string]string{"orders-spark": orderPipeline(from, declared, "dialect: spark", 6),
		"orders-duckdb": orderPipeline(from, declared, "dialect: duckdb", 6)}, "orders-spark", "orders-duckdb")
	if err != nil {
		return err
	}
	var rows [2]string
	for i, s := range spaces {
		if rows[i], err = b.command("query", "-f", s.file, "--format", "json", orderRowsSQL).output(ctx); err != nil {
			return err
		}
	}
	if rows[0] != rows[1] {
		return fmt.Errorf("the result is wrong:\n%sin Spark's dialect, where DuckDB's gives\n%s", rows[0], rows[1])
	}
	printTimes("orders in Spark's dialect", got[0], got[1], ratioAtMost(got[0], got[1], sparkLimit), "lakeflow in DuckDB's dialect")
	for _, s := range spaces {
		if err := s.remove(); err != nil {
			return err
		}
	}
	return nil
}
