package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lakeflow/lakeflow/schemas/quote"
)

const (
	orderRows  = 2_000_000
	orderFiles = 50
)

// generated returns a folder of the cache that fill has filled, now or in an earlier run. A folder whose filling was
// interrupted is filled anew.
func (b *bench) generated(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(b.dir, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	unfinished := dir + ".part"
	if err := os.RemoveAll(unfinished); err != nil {
		return "", err
	}
	if err := os.MkdirAll(unfinished, 0o755); err != nil {
		return "", err
	}
	fmt.Fprintln(os.Stderr, "generating", dir)
	if err := fill(unfinished); err != nil {
		return "", fmt.Errorf("generate %s: %w", name, err)
	}
	return dir, os.Rename(unfinished, dir)
}

// feed is a folder of records in one format, which is also what its files' names end with.
type feed struct{ dir, format string }

// reader is plain DuckDB reading the feed. Options follow the files.
func (f feed) reader(options string) string {
	return fmt.Sprintf("read_%s(%s%s)", f.format, quote.Text(f.dir+"/*."+f.format), options)
}

// orderFeed is the folder of the orders: 2,000,000 records, 2 % of which violate a rule, as JSON lines of about 208
// bytes or as CSV with a header.
func (b *bench) orderFeed(ctx context.Context, format string) (feed, error) {
	name := "orders"
	if format != "json" {
		name += "-" + format
	}
	dir, err := b.generated(name, func(dir string) error { return b.writeOrders(ctx, dir, format, orderRows, orderFiles) })
	return feed{dir, format}, err
}

// writeOrders fills a folder with files of orders.
func (b *bench) writeOrders(ctx context.Context, dir, format string, rows, files int) error {
	var sql strings.Builder
	for i := range files {
		n := rows / files
		fmt.Fprintf(&sql, orderSQL, i*n, (i+1)*n, quote.Text(filepath.Join(dir, fmt.Sprintf("orders-%02d.%s", i, format))), format)
	}
	_, err := b.floor(sql.String()).output(ctx)
	return err
}

const orderSQL = `COPY (
  SELECT i AS order_id, 'cust-' || lpad(((i * 7919) %% 100000)::VARCHAR, 6, '0') AS customer_id,
    strftime(TIMESTAMP '2026-01-01' + INTERVAL (i %% 7776000) SECOND, '%%Y-%%m-%%dT%%H:%%M:%%S') AS order_ts,
    ['web', 'store', 'app', 'phone'][1 + i %% 4] AS channel, ['pending', 'paid', 'shipped', 'cancelled', 'returned'][1 + i %% 5] AS status,
    'SKU-' || lpad((i * 31 %% 5000)::VARCHAR, 5, '0') AS sku, CASE WHEN i %% 100 = 3 THEN -1 ELSE 1 + i %% 9 END AS quantity,
    round(5 + (i * 17 %% 9973) / 10.0, 2) AS unit_price, ['DE', 'FR', 'US', 'GB', 'NL', 'PL'][1 + i %% 6] AS country,
    CASE WHEN i %% 100 = 7 THEN NULL ELSE 'user' || (i %% 100000) || '@example.com' END AS email
  FROM range(%d, %d) r(i)) TO %s (FORMAT %s);
`

// linkedFeed is a folder with the files of another one, so many times over under other names.
func (b *bench) linkedFeed(name string, from feed, times int) (feed, error) {
	dir, err := b.generated(name, func(dir string) error {
		entries, err := os.ReadDir(from.dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			for i := range times {
				if err := os.Link(filepath.Join(from.dir, e.Name()), filepath.Join(dir, fmt.Sprintf("%d-%s", i, e.Name()))); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return feed{dir, from.format}, err
}

// space makes an empty folder for one pipeline and writes its file.
func (b *bench) space(name, pipeline string) (*space, error) {
	dir := filepath.Join(b.dir, "work", name)
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "floor"), 0o755); err != nil {
		return nil, err
	}
	s := &space{dir: dir, file: filepath.Join(dir, "pipeline.yaml")}
	return s, os.WriteFile(s.file, []byte(pipeline), 0o644)
}

// space is the folder of one pipeline.
type space struct{ dir, file string }

func (s *space) warehouse() string { return filepath.Join(s.dir, "warehouse") }

// floor is a file that plain DuckDB writes.
func (s *space) floor(name string) string { return filepath.Join(s.dir, "floor", name) }

// remove deletes the tables; the data that was generated stays.
func (s *space) remove() error { return os.RemoveAll(s.dir) }

// quote makes a text of SQL, and of YAML.

// same fails when a query gives other rows over lakeflow's tables than the floor has computed.
func (b *bench) same(ctx context.Context, s *space, ours, floor string) error {
	got, err := b.command("query", "-f", s.file, "--format", "json", ours).output(ctx)
	if err != nil {
		return err
	}
	want, err := b.floor("SELECT CAST(to_json(t) AS VARCHAR) FROM (" + floor + ") t").output(ctx)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the result is wrong:\n%swhere plain DuckDB gives\n%s", got, want)
	}
	return nil
}
