package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

const orderColumns = `{order_id: BIGINT, customer_id: VARCHAR, order_ts: TIMESTAMP, channel: VARCHAR, status: VARCHAR, sku: VARCHAR, quantity: BIGINT, unit_price: DOUBLE, country: VARCHAR, email: VARCHAR}`

const (
	silverSQL = `SELECT order_id, customer_id, order_ts, channel, status, sku, quantity, unit_price, quantity * unit_price AS amount, country, email FROM %s`
	goldSQL   = `SELECT country, channel, date_trunc('day', order_ts) AS day, count(*) AS orders, sum(amount) AS amount FROM %s GROUP BY ALL`
)

// orderRules are the six rules of the orders, two of which rows violate, and more that all rows satisfy.
var orderRules = []string{
	"{expect: quantity > 0, on_violation: drop}", "{expect: email IS NOT NULL, on_violation: drop}", "unit_price > 0",
	"channel IN ('web', 'store', 'app', 'phone')", "length(country) = 2", "order_ts < TIMESTAMP '2030-01-01'",
	"order_id >= 0", "customer_id IS NOT NULL", "starts_with(customer_id, 'cust-')", "length(customer_id) = 11", "status <> ''",
	"status IN ('pending', 'paid', 'shipped', 'cancelled', 'returned')", "sku LIKE 'SKU-%'", "length(sku) = 9", "quantity < 100",
	"unit_price < 10000", "amount IS NOT NULL", "amount < 1000000", "order_ts >= TIMESTAMP '2020-01-01'", "country = upper(country)",
}

// orderPipeline is bronze, silver and gold over the feed. What stands in source goes below the source, engine at the
// top.
func orderPipeline(from feed, source, engine string, rules int) string {
	var expect strings.Builder
	for i, r := range orderRules[:rules] {
		fmt.Fprintf(&expect, "\n      rule_%d: %s", i, yamlRule(r))
	}
	if rules > 0 {
		expect.WriteString("\n")
	}
	block := ""
	if rules > 0 {
		block = "\n    expectations:" + expect.String()
	}
	return fmt.Sprintf(`name: orders
%s
sources:
  feed:
    files: {path: %s, format: %s}
%s
tables:
  bronze: {kind: streaming_table, sql: SELECT * FROM STREAM feed}
  silver:
    kind: streaming_table
    sql: %s%s
  gold: {kind: materialized_view, sql: %s}
`, engine, quote.Text(from.dir), from.format, source, quote.Text(fmt.Sprintf(silverSQL, "STREAM bronze")), block, quote.Text(fmt.Sprintf(goldSQL, "silver")))
}

// yamlRule quotes a rule that is a text.
func yamlRule(r string) string {
	if strings.HasPrefix(r, "{") {
		return r
	}
	return quote.Text(r)
}

// orderFloor is the same work as three COPYs. Options follow the files that are read.
func orderFloor(s *space, from feed, options, settings string) string {
	const copyTo = "COPY (%s) TO %s (FORMAT parquet, COMPRESSION zstd);\n"
	bronze := "SELECT * FROM " + from.reader(options)
	silver := fmt.Sprintf(silverSQL, quote.Text(s.floor("bronze.parquet"))) + " WHERE quantity > 0 AND email IS NOT NULL"
	gold := fmt.Sprintf(goldSQL, quote.Text(s.floor("silver.parquet")))
	return "SET preserve_insertion_order = false;\n" + settings +
		fmt.Sprintf(copyTo, bronze, quote.Text(s.floor("bronze.parquet"))) +
		fmt.Sprintf(copyTo, silver, quote.Text(s.floor("silver.parquet"))) +
		fmt.Sprintf(copyTo, gold, quote.Text(s.floor("gold.parquet")))
}

// readOptions are the columns as read_json takes them, and csvOptions as read_csv does.
func readOptions() string { return ", format = 'newline_delimited', columns = " + readColumns() }

func csvOptions() string { return ", auto_detect = false, header = true, columns = " + readColumns() }

func readColumns() string {
	return strings.NewReplacer(": ", ": '", ", ", "', ", "}", "'}").Replace(orderColumns)
}

// checkOrders compares lakeflow's tables with the floor's files: counts, sums of keys, and the dead letters.
func (b *bench) checkOrders(ctx context.Context, s *space) error {
	const summary = `SELECT (SELECT [count(*), sum(order_id)] FROM %s) AS bronze, (SELECT [count(*), sum(order_id)] FROM %s) AS silver,
  %s AS dead, (SELECT [count(*), sum(orders)] FROM %s) AS gold`
	ours := fmt.Sprintf(summary, "bronze", "silver", "(SELECT count(*) FROM dead_letter)", "gold")
	bronze, silver, gold := quote.Text(s.floor("bronze.parquet")), quote.Text(s.floor("silver.parquet")), quote.Text(s.floor("gold.parquet"))
	dead := fmt.Sprintf("(SELECT count(*) FROM %s) - (SELECT count(*) FROM %s)", bronze, silver)
	return b.same(ctx, s, ours, fmt.Sprintf(summary, bronze, silver, dead, gold))
}

const declared = "    schema: " + orderColumns

// variant is one way of reading the orders, beside the same way of plain DuckDB.
type variant struct {
	what, source, options, compared string
	limit                           float64 // of the ratio; 0 shows it only
}

// What bronze, silver and gold may take, to three COPYs.
const (
	jsonLimit = 1.15
	csvLimit  = 1.25
)

// orders measures bronze, silver and gold of 2,000,000 orders into an empty warehouse.
func orders(ctx context.Context, b *bench) error {
	return b.ordersOf(ctx, "json", []variant{
		{"orders, columns declared, others ignored", declared + "\n    schema_evolution: none", readOptions(), "three COPYs, columns declared", jsonLimit},
		{"orders, columns declared, new ones added", declared, readOptions(), "three COPYs, columns declared", jsonLimit},
		{"orders, columns inferred, new ones added", "", "", "three COPYs, columns detected", jsonLimit},
	})
}

// ordersCSV measures the same of CSV files.
func ordersCSV(ctx context.Context, b *bench) error {
	return b.ordersOf(ctx, "csv", []variant{
		{"orders of CSV, columns declared", declared, csvOptions(), "three COPYs, columns and header declared", csvLimit},
		{"orders of CSV, columns inferred", "", "", "three COPYs, columns detected", 0},
	})
}

func (b *bench) ordersOf(ctx context.Context, format string, variants []variant) error {
	from, err := b.orderFeed(ctx, format)
	if err != nil {
		return err
	}
	var ours, floors samples
	for _, v := range variants {
		s, err := b.space("orders", orderPipeline(from, v.source, "", 6))
		if err != nil {
			return err
		}
		run := b.command("run", "--json", s.file)
		run.fresh = []string{s.warehouse()}
		got, err := inTurn(ctx, b.runs, run, b.floor(orderFloor(s, from, v.options, "")))
		if err != nil {
			return err
		}
		if err := b.checkOrders(ctx, s); err != nil {
			return err
		}
		g := goal{}
		if v.limit > 0 {
			g = ratioAtMost(got[0], got[1], v.limit)
		}
		printTimes(v.what, got[0], got[1], g, v.compared)
		ours, floors = append(ours, got[0]...), append(floors, got[1]...)
		if err := s.remove(); err != nil {
			return err
		}
	}
	printMemory("orders of "+strings.ToUpper(format)+", peak memory of all runs", ours, floors, 1_200_000_000, "the same")
	return nil
}

// ordersBeside runs pipelines of the orders in turn, and checks the tables of the first one. They are named in the order of
// the spaces and samples that it gives.
func (b *bench) ordersBeside(ctx context.Context, from feed, pipelines map[string]string, names ...string) ([]*space, []samples, error) {
	var jobs []job
	var spaces []*space
	for _, name := range names {
		s, err := b.space(name, pipelines[name])
		if err != nil {
			return nil, nil, err
		}
		run := b.command("run", "--json", s.file)
		run.fresh = []string{s.warehouse()}
		spaces, jobs = append(spaces, s), append(jobs, run)
	}
	got, err := inTurn(ctx, b.runs, jobs...)
	if err != nil {
		return nil, nil, err
	}
	if _, err := b.floor(orderFloor(spaces[0], from, readOptions(), "")).output(ctx); err != nil {
		return nil, nil, err
	}
	return spaces, got, b.checkOrders(ctx, spaces[0])
}

// rules measures what twenty expectations cost.
func rules(ctx context.Context, b *bench) error {
	from, err := b.orderFeed(ctx, "json")
	if err != nil {
		return err
	}
	spaces, got, err := b.ordersBeside(ctx, from, map[string]string{"rules-20": orderPipeline(from, declared, "", len(orderRules)),
		"rules-0": orderPipeline(from, declared, "", 0)}, "rules-20", "rules-0")
	if err != nil {
		return err
	}
	none := fmt.Sprintf("SELECT %d AS bronze, %d AS silver", orderRows, orderRows)
	if err := b.same(ctx, spaces[1], "SELECT (SELECT count(*) FROM bronze) AS bronze, (SELECT count(*) FROM silver) AS silver", none); err != nil {
		return err
	}
	printTimes("orders with 20 rules", got[0], got[1], ratioAtMost(got[0], got[1], 1.10), "lakeflow without rules")
	for _, s := range spaces {
		if err := s.remove(); err != nil {
			return err
		}
	}
	return nil
}

// memory measures 20,000,000 orders in 512 MB.
func memory(ctx context.Context, b *bench) error {
	from, err := b.orderFeed(ctx, "json")
	if err != nil {
		return err
	}
	if from, err = b.linkedFeed("orders-tenfold", from, 10); err != nil {
		return err
	}
	s, err := b.space("memory", orderPipeline(from, declared, "duckdb: {memory_limit: 512MB}", 6))
	if err != nil {
		return err
	}
	run := b.command("run", "--json", s.file)
	run.fresh = []string{s.warehouse()}
	settings := fmt.Sprintf("SET memory_limit = '512MB'; SET temp_directory = %s;\n", quote.Text(s.floor("spill")))
	sides := []job{run, b.floor(orderFloor(s, from, readOptions(), settings))}
	got := make([]samples, len(sides))
	for i, j := range sides { // one run: peak memory is what is asked, and it differs little between runs
		c, err := j.run(ctx)
		if err != nil {
			return err
		}
		got[i] = samples{c}
	}
	if err := b.checkOrders(ctx, s); err != nil {
		return err
	}
	printTimes("20,000,000 orders in 512 MB", got[0], got[1], goal{}, "three COPYs in 512 MB, one run each")
	printMemory("20,000,000 orders in 512 MB, peak memory", got[0], got[1], 900_000_000, "the same")
	return s.remove()
}
