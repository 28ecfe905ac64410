package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sqlDomains are what the project of SQL is about. Each has eight tables, declared by ten statements in three files.
var sqlDomains = []string{"orders", "payments", "shipments", "returns", "carts", "visits", "reviews", "tickets", "invoices", "refunds",
	"coupons", "loyalty", "deliveries", "stock", "suppliers", "campaigns", "emails", "searches", "rentals", "bookings"}

const (
	sqlStatements = 10 // of a domain
	sqlTables     = 8
	sqlRows       = 3 // of its feed of events
)

// sqlFiles are the files of a domain, with DOMAIN for its name and FEEDS for the folder of what it reads.
var sqlFiles = map[string]string{
	"bronze.sql": `-- What the DOMAIN service sends, as it was sent.
CREATE OR REFRESH STREAMING TABLE DOMAIN_events
COMMENT "Events of DOMAIN, as JSON"
TBLPROPERTIES ("quality" = "bronze")
AS SELECT *, _metadata.file_name AS source_file
FROM STREAM read_files(
  'FEEDS/DOMAIN/events',
  format => 'json',
  schema => 'event_id BIGINT, customer_id BIGINT, happened_at TIMESTAMP, kind STRING, amount DOUBLE, country STRING, payload STRING, tags ARRAY<STRING>',
  rescuedDataColumn => '_rescued_data'
);

CREATE OR REFRESH STREAMING TABLE DOMAIN_customer_changes (
  CONSTRAINT has_key EXPECT (customer_id IS NOT NULL) ON VIOLATION DROP ROW
)
COMMENT "Inserts, updates and deletes of the customers of DOMAIN"
TBLPROPERTIES ("quality" = "bronze")
AS SELECT customer_id, trim(name) AS name, lower(email) AS email, initcap(city) AS city, operation, changed_at
FROM STREAM read_files(
  'FEEDS/DOMAIN/customers',
  format => 'csv',
  header => true,
  schema => 'customer_id BIGINT, name STRING, email STRING, city STRING, operation STRING, changed_at TIMESTAMP'
);
`,
	"silver.sql": `CREATE OR REFRESH STREAMING TABLE DOMAIN_clean (
  CONSTRAINT has_id EXPECT (event_id IS NOT NULL) ON VIOLATION DROP ROW,
  CONSTRAINT positive_amount EXPECT (amount >= 0) ON VIOLATION DROP ROW,
  CONSTRAINT known_country EXPECT (country RLIKE '^[A-Z]{2}$'),
  CONSTRAINT plausible_day EXPECT (event_day >= to_date('2020-01-01'))
)
CLUSTER BY (event_day)
COMMENT "Events of DOMAIN with their day and what their payload says"
TBLPROPERTIES ("quality" = "silver")
AS SELECT
  event_id,
  customer_id,
  happened_at,
  to_date(happened_at) AS event_day,
  date_format(happened_at, 'yyyy-MM') AS event_month,
  lower(kind) AS kind,
  CASE WHEN amount > 1000 THEN 'large' WHEN amount > 100 THEN 'medium' ELSE 'small' END AS size_class,
  CAST(amount AS DECIMAL(12, 2)) AS amount,
  upper(country) AS country,
  get_json_object(payload, '$.device') AS device,
  from_json(payload, 'device STRING, version INT').version AS app_version,
  nvl(tags[0], 'none') AS first_tag,
  size(tags) AS tag_count,
  concat_ws('-', country, kind, CAST(event_id AS STRING)) AS reference
FROM STREAM(DOMAIN_events)
WHERE kind IS NOT NULL;

-- The newest row of each customer.
CREATE OR REFRESH MATERIALIZED VIEW DOMAIN_newest
COMMENT "The customers of DOMAIN as last heard of"
TBLPROPERTIES ("quality" = "silver")
AS WITH ranked AS (
  SELECT customer_id, name, email, city, operation, changed_at,
    row_number() OVER (PARTITION BY customer_id ORDER BY changed_at DESC) AS position
  FROM DOMAIN_customer_changes
)
SELECT customer_id, name, email, substring_index(email, '@', -1) AS domain, city, changed_at
FROM ranked
WHERE position = 1 AND operation <> 'DELETE';

CREATE OR REFRESH STREAMING TABLE DOMAIN_customers
COMMENT "The customers of DOMAIN"
TBLPROPERTIES ("quality" = "silver");

CREATE FLOW DOMAIN_customers_flow AS AUTO CDC INTO DOMAIN_customers
FROM STREAM(DOMAIN_customer_changes)
KEYS (customer_id)
APPLY AS DELETE WHEN operation = "DELETE"
SEQUENCE BY changed_at
COLUMNS * EXCEPT (operation)
STORED AS SCD TYPE 1;

CREATE OR REFRESH STREAMING TABLE DOMAIN_activity
COMMENT "Everything that happens in DOMAIN"
AS SELECT customer_id, happened_at AS moment, kind, unix_timestamp(happened_at) AS seconds, coalesce(device, 'unknown') AS origin
FROM STREAM(DOMAIN_clean);

CREATE FLOW DOMAIN_customer_activity AS INSERT INTO DOMAIN_activity BY NAME
SELECT customer_id, changed_at AS moment, lower(operation) AS kind, unix_timestamp(changed_at) AS seconds, 'customers' AS origin
FROM STREAM(DOMAIN_customer_changes);
`,
	"gold.sql": `CREATE OR REFRESH MATERIALIZED VIEW DOMAIN_by_day (
  CONSTRAINT some_events EXPECT (events > 0) ON VIOLATION FAIL UPDATE
)
COMMENT "What happened in DOMAIN, by day, country and city"
TBLPROPERTIES ("quality" = "gold")
AS SELECT
  e.event_day,
  e.country,
  nvl(c.city, 'unknown') AS city,
  count(*) AS events,
  count(DISTINCT e.customer_id) AS customers,
  count_if(e.size_class = 'large') AS large_events,
  sum(e.amount) AS amount,
  round(avg(e.amount), 2) AS average_amount,
  max(e.happened_at) AS last_event
FROM DOMAIN_clean AS e
LEFT JOIN DOMAIN_customers AS c ON c.customer_id = e.customer_id
GROUP BY e.event_day, e.country, nvl(c.city, 'unknown');

CREATE OR REFRESH MATERIALIZED VIEW DOMAIN_ranking
COMMENT "Who matters most to DOMAIN, month by month"
TBLPROPERTIES ("quality" = "gold")
AS
WITH months AS (
  SELECT customer_id, date_trunc('MONTH', happened_at) AS month, sum(amount) AS amount, collect_set(kind) AS kinds
  FROM DOMAIN_clean
  GROUP BY customer_id, date_trunc('MONTH', happened_at)
),
compared AS (
  SELECT *, lag(amount) OVER (PARTITION BY customer_id ORDER BY month) AS amount_before,
    rank() OVER (PARTITION BY month ORDER BY amount DESC) AS place
  FROM months
)
SELECT c.month, c.place, c.customer_id, n.name, n.domain, c.amount, array_join(sort_array(c.kinds), ',') AS kinds,
  CASE WHEN c.amount_before IS NULL THEN 'new' WHEN c.amount > c.amount_before THEN 'up' ELSE 'down' END AS trend,
  datediff(add_months(c.month, 1), c.month) AS days
FROM compared AS c
JOIN DOMAIN_newest AS n ON n.customer_id = c.customer_id
WHERE c.place <= 100;
`,
}

// writeSQLProject fills a folder with the .sql files of every domain, and a folder with small files of what they read.
func writeSQLProject(dir, feeds string) error {
	const events = `{"event_id": %d, "customer_id": %d, "happened_at": "2026-03-%02dT10:20:30Z", "kind": "Created", "amount": %d.5, "country": "DE", "payload": "{\"device\": \"phone\", \"version\": %d}", "tags": ["a", "b"]}` + "\n"
	const customers = "customer_id,name,email,city,operation,changed_at\n1, Ada ,Ada@example.com,london,INSERT,2026-03-01 08:00:00\n" +
		"2,Kurt,kurt@example.org,brno,INSERT,2026-03-01 09:00:00\n1,Ada L.,ada@example.com,paris,UPDATE,2026-03-02 08:00:00\n"
	for i, domain := range sqlDomains {
		var records strings.Builder
		for row := range sqlRows {
			fmt.Fprintf(&records, events, row+1, row%2+1, row+1, 50*(i+1), row)
		}
		written := map[string]string{
			filepath.Join(feeds, domain, "events", "2026-03-01.json"):   records.String(),
			filepath.Join(feeds, domain, "customers", "2026-03-01.csv"): customers,
		}
		for name, text := range sqlFiles {
			text = strings.NewReplacer("DOMAIN", domain, "FEEDS", filepath.ToSlash(feeds)).Replace(text)
			written[filepath.Join(dir, domain, name)] = text
		}
		for path, text := range written {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
