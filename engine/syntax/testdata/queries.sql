SELECT *, _metadata.file_name AS source_file FROM "__stream".flights_feed
;
SELECT origin, destination, distance, delay FROM "__stream".bronze_flights
;
SELECT delay BETWEEN -60 AND 180, on_violation: drop
;
SELECT origin, destination, count(*) AS flights, avg(delay) AS mean_delay FROM silver_flights GROUP BY ALL
;
SELECT origin, destination, flights, round(mean_delay, 1) AS mean_delay FROM gold_routes ORDER BY flights DESC, origin LIMIT 5
;
SELECT v.name AS rule, count(*) AS n FROM (SELECT unnest(violated) AS v FROM dead_letter) AS d WHERE v.action = 'drop' GROUP BY ALL ORDER BY n
;
SELECT keyword_name, keyword_category IN ('reserved', 'type_function') FROM duckdb_keywords()
;
FROM STREAM
;
SELECT orders.s FROM "__stream".orders
;
SELECT o.s || orders.s FROM "__stream".orders o, orders -- both
;
SELECT x.id FROM ("__stream".orders JOIN "__stream"."a b" AS x USING (id)) -- }
;
SELECT stream.id FROM stream
;
WITH s AS (FROM "__stream".orders SELECT id) SELECT extract(year FROM DATE '2024-01-01') FROM s
;
SELECT * FROM "__stream".orders
;
select * from "__stream".orders o
;
SELECT a.x FROM "__stream".a JOIN "__stream".b ON a.x = b.x
;
FROM x, "__stream".a, "__stream".b
;
FROM x JOIN y ON f(x, y), "__stream".a
;
FROM ("__stream".a JOIN "__stream".b USING (id))
;
FROM ((SELECT 1, stream FROM "__stream".a)) t, "__stream".b
;
WITH s AS (FROM "__stream".a) SELECT * FROM s UNION ALL SELECT * FROM "__stream".b
;
SELECT exists(FROM "__stream".a)
;
SELECT extract(year FROM (SELECT d FROM "__stream".a))
;
SELECT 1FROM "__stream".a
;
SELECT stream x FROM t
;
SELECT a, stream b FROM t
;
SELECT x.stream a FROM x.stream a
;
SELECT * FROM stream AS s
;
SELECT * FROM stream WHERE a
;
SELECT * FROM stream LEFT JOIN t ON true
;
SELECT * FROM stream, t
;
SELECT * FROM t ORDER BY a, stream desc
;
SELECT a IS DISTINCT FROM stream x, a IS NOT DISTINCT FROM stream y FROM t
;
SELECT 'FROM STREAM a', $$ FROM STREAM b $$ -- FROM STREAM c
;
SELECT E'it\'s FROM STREAM a', "FROM STREAM a" /* /* FROM STREAM a */ FROM STREAM a */
;
SELECT {'a': 1, 'from': stream}, [1, stream] FROM t
;
SELECT 1
;
SELECT NULL, TRUE, FALSE
;
SELECT 1440+1.5e+00
;
SELECT 3-(-5), 3 -(-5e-01)
;
SELECT CAST('NaN' AS DOUBLE)
;
SELECT x[1440:1440]
;
FROM "__stream".a WHERE x > 1440
;
SELECT my_metadata -- _metadata
;
SELECT orders.x FROM "orders@version=3" AS orders WHERE x
;
FROM "o@version=1" a JOIN "o@version=1" b ON a.x = b.x, "p@version=2" AS p
;
SELECT 'FROM o VERSION AS OF 1', version AS of FROM t
;
FROM "o@version=1" AS o LEFT JOIN p ON true
;
SELECT origin IS NOT NULL AND destination <> origin, on_violation: fail
;
SELECT a -- the first
FROM x
WHERE a > 1
;
SELECT 1, parquet: {row_group_size: -5}
;
SELECT 1 AS one
;
SELECT one, count(*) AS n FROM one GROUP BY one
;
SELECT 1, sql_file: two.sql
;
SELECT x IN ('A','B'), on_violation: drop
;
SELECT x IN ('A', 'B')
;
SELECT coalesce(x, 'none: x') <> 'b', on_violation: drp
;
SELECT x[1] > 2, on_violation: drop
;
SELECT x > 2 AND {'a': 1}.a = 1, on_violation: drop
;
SELECT 'A' = x, on_violation: drop
;
SELECT "A" = x, on_violation: drop
;
SELECT "x IN ('A', 'B')", on_violation: drop
;
SELECT 'a' AS a, 'b' AS b, layer: iron
;
SELECT keyword_name FROM duckdb_keywords()
;
SELECT 1::INTEGER a, 1.5::FLOAT "it's", {'x': 1} s, [{'q': 1}] l, 2.5::DECIMAL(4,1) d
;
SELECT COLUMNS(*)::VARCHAR FROM read_parquet(['%s', '%s'], schema=%s)
;
SELECT column_name, column_type FROM (DESCRIBE FROM read_parquet(['%s'], schema=%s))
;
SELECT id, sequence.data_plane_id.instance, sequence.data_plane_id.seq_no, sequence.control_plane_seq_no, origin.pipeline_name, origin.batch_id,
		origin.host IS NULL, epoch_us("timestamp"), message, level, maturity_level, error.fatal, error.exceptions[1].message,
		details->>'$.flow_progress.status', event_type
;
SELECT count(*) FROM (DESCRIBE dl) WHERE column_name IN ('table', 'commit', 'row', 'offset', 'partition', 'violated')
;
SELECT 1 id, {'x': 1} s, [{'q': 1.5}] l, MAP {'k': DATE '2024-01-01'} m
;
SELECT 5000000000 id, {'x': 2, 'y': 'b'} s, [{'q': 2.5, 'r': 3}] l, NULL m, '\x01'::BLOB n
;
SELECT 1 id, -1e-10::DECIMAL(38,10) big
;
SELECT n, make_timestamp(n)::VARCHAR, make_timestamptz(n)::VARCHAR, (epoch_ms(n // 1000)::DATE - DATE '1970-01-01')::INTEGER, epoch_ms(n // 1000)::DATE::VARCHAR,
			abs(n) % 86400000000, (TIME '00:00:00' + to_microseconds(abs(n) % 86400000000))::VARCHAR
		FROM (SELECT unnest([0, 1, -1, -62135596800000000, -62135596800000001, -99999999999999999, 253402300799999999, 253402300800000000, 9000000000000000000])::BIGINT AS n
			UNION ALL SELECT ((random() - 0.5) * 2e17)::BIGINT FROM range(2000))
;
SELECT i AS id, repeat(md5(i::VARCHAR), CASE WHEN i = 40 THEN 60000 ELSE 1 END) AS v FROM range(50) AS t(i)
;
SELECT false, (-2147483648)::INTEGER, 9223372036854775807, 'nan'::FLOAT, '-inf'::DOUBLE, (-9999999999.99)::DECIMAL(12,2), (-0.000000001)::DECIMAL(38,9), DATE '1969-12-31', TIME '00:00:00',
		TIMESTAMP '1969-12-31 23:59:59.999999', TIMESTAMPTZ '0001-01-01 00:00:00+00', '', ''::BLOB, '00000000-0000-0000-0000-000000000000'::UUID,
		{a: NULL::INTEGER, ts: NULL::TIMESTAMP, in_: NULL::STRUCT(y BLOB)}, []::STRUCT(a INTEGER, "B c" VARCHAR)[], []::TIMESTAMPTZ[], MAP {'inf': 'inf'::DOUBLE, 'nan': 'nan'::DOUBLE}, MAP {}::MAP(DATE, DECIMAL(5,2)), []::BIGINT[][]
;
SELECT * FROM (VALUES (1, 'plain', TIMESTAMP '2024-05-01 12:00:00', 'a'::BLOB, 1.50::DECIMAL(9,2), {x: 1}), (2, 'q"\' || chr(10) || 'é', NULL, NULL, NULL, NULL), (3, NULL, NULL, NULL, NULL, NULL), (4, '', NULL, NULL, NULL, NULL)) AS t(id, s, ts, y, m, r)
;
SELECT i AS k, repeat('x', CASE WHEN i % 100 = 0 THEN 900000 ELSE i::INTEGER * 37 END) AS v FROM range(400) AS t(i)
;
SELECT * FROM (VALUES
		(1, 10, '1', 'true'),
		(2, -1, 'x', 'no boolean'),   -- breaks two drop rules
		(3, NULL, '1', 'true'),       -- NULL is a violation
		(9, 1, '1', 'false'),
		(NULL, 1, '1', NULL)) v(id, amount, code, flag)
;
SELECT i AS id FROM range(200) r(i)
;
SELECT NULL::INTEGER AS id
;
SELECT 1 AS id UNION ALL SELECT 2
;
SELECT 1 AS id WHERE FALSE
;
SELECT pipeline, "table", flow, update_id, "commit", error, raw, source, file, line, "offset", partition, epoch_us(first_seen), rule_set_hash, status,
		[v.name || '=' || v.expression || '=' || v.action for v in violated]::VARCHAR FROM dl ORDER BY row->'id'
;
SELECT count(DISTINCT id) FROM dl
;
SELECT row FROM dl ORDER BY row->'id'
;
SELECT row->>'$."na me"', row->>'d', row->>'$.table.a', row->>'$.table."b c"', row->>'$.m.k[0]', row->>'__json' FROM dl ORDER BY row->'id'
;
SELECT unnest(from_json(row, '{"id":"INTEGER","na me":"VARCHAR","d":"DOUBLE","table":{"a":["INTEGER"],"b c":"VARCHAR"},"m":"MAP(VARCHAR, DATE[])","__json":"VARCHAR"}')) FROM dl
;
SELECT count(*), min((row->>'i')::INTEGER) >= 50, min(status), max(status), bool_and(violated[1].name = 'low'), max(len(violated))
;
SELECT pipeline, "table", flow, update_id, "commit", violated::VARCHAR, error, row, raw::VARCHAR, source, file, line, "offset", "partition", rule_set_hash, status, len(id) > 20 FROM dl ORDER BY file
;
SELECT i, {'a b': i::VARCHAR} AS s FROM range(100) r(i)
;
SELECT id FROM "__stream".s WHERE a > 1
;
SELECT id, a + b AS ab FROM "__stream".s WHERE a > 1
;
SELECT id AS id, a FROM "__stream".s
;
SELECT *, a + 1 AS a1 FROM "__stream".s
;
SELECT * EXCLUDE (a, b) FROM "__stream".s
;
SELECT id FROM "__stream".s JOIN d ON d.k = s.id
;
SELECT id, v FROM "__stream".s JOIN d ON d.k = s.id
;
SELECT a, sum(b) AS b FROM "__stream".s GROUP BY a
;
SELECT id, row_number() OVER (ORDER BY a) AS n FROM "__stream".s
;
SELECT CAST(id AS INTEGER) AS id FROM "__stream".s
;
SELECT CAST(id AS BIGINT) AS id, a FROM "__stream".s
;
SELECT CAST(id AS DECIMAL(9,2)) AS id FROM "__stream".s
;
WITH x AS (SELECT * FROM "__stream".s) SELECT id FROM x
;
WITH x AS (SELECT * FROM "__stream".s) SELECT id, a FROM x
;
SELECT id, a FROM "__stream".s WHERE a > 1
;
SELECT id * 2 AS id, a FROM "__stream".s
;
SELECT b AS a, a AS b, c FROM "__stream".s
;
SELECT id, v FROM "__stream".s LEFT JOIN d ON d.k = s.id
;
SELECT DISTINCT id FROM "__stream".s
;
SELECT DISTINCT id, a FROM "__stream".s
;
SELECT id, sum(a) AS a FROM "__stream".s GROUP BY ALL
;
SELECT id, sum(a) AS a FROM "__stream".s GROUP BY 1
;
SELECT b % 2 AS b, sum(a) AS a, min(id) AS id FROM "__stream".s GROUP BY 1
;
SELECT id FROM "__stream".s ORDER BY 1 LIMIT 1
;
SELECT a, id FROM "__stream".s ORDER BY 1 LIMIT 1
;
SELECT id FROM "__stream".s ORDER BY ALL LIMIT 1
;
SELECT a, id FROM "__stream".s ORDER BY ALL LIMIT 1
;
SELECT id FROM "__stream".s ORDER BY b LIMIT 1
;
SELECT id, -b AS b FROM "__stream".s ORDER BY b LIMIT 1
;
SELECT 1 AS one FROM "__stream".s
;
SELECT 1 AS one, count(*) AS n FROM "__stream".s
;
SELECT TRY_CAST(city AS INTEGER) AS id FROM "__stream".s
;
SELECT id FROM "__stream".s UNION ALL SELECT id FROM "__stream".s WHERE a > 1
;
SELECT id, a FROM "__stream".s UNION ALL SELECT id, a FROM "__stream".s WHERE a > 1
;
SELECT * REPLACE (a + 1 AS a), 1 AS one FROM "__stream".s
;
SELECT * EXCLUDE (a), 1 AS one FROM "__stream".s
;
SELECT DISTINCT * FROM "__stream".v
;
SELECT id FROM "__stream".v WHERE COLUMNS(*) > 1
;
SELECT id, id + 1 AS a FROM "__stream".v WHERE a > 2
;
SELECT CAST(a AS INTEGER) AS a FROM x
;
SELECT *, _metadata.file_path AS source_file FROM STREAM
;
SELECT DISTINCT function_name, function_type, coalesce(stability, '') FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate')
;
SELECT function_name, CAST(json_serialize_sql('SELECT ' || macro_definition) AS VARCHAR)
		FROM duckdb_functions() WHERE function_type = 'macro' ORDER BY 1
;
SELECT count(*) FROM duckdb_functions() WHERE function_name = ? AND function_type = 'table'
;
SUMMARIZE SELECT * FROM t,
;
SELECT * FROM Enable_Profiling()
;
SELECT * FROM system.main.enable_profiling()
;
SELECT current_setting('allowed_directories')
;
SELECT list_transform([1], lambda x: setseed(0.5))
;
SELECT 'enable_profiling()' AS enable_profiling, "query" FROM t AS query_table -- glob()
;
SELECT max(range), unnest([1]), histogram(id) FROM range(3), json_each('{}'), histogram(t, id)
;
PIVOT (SELECT v AS query, query.id FROM t AS query) ON query IN ('a') USING sum(id)
;
SELECT id, 'a;b' AS name FROM "__stream".feed  -- the end; really
;
SELECT name AS "Name", 7::TINYINT AS small, id FROM "__stream".stars
;
SELECT *, f._metadata FROM "__stream".feed AS f
;
SELECT table_name FROM duckdb_tables() UNION ALL SELECT schema_name FROM duckdb_schemas() WHERE schema_name = '__stream'
;
SELECT x FROM no_flows, unfinished
;
SELECT *, random() AS r FROM "__stream".stored
;
SELECT id, upper(name) AS name FROM "__stream".stored WHERE id > 3 OR name LIKE 'x%'
;
SELECT id, current_date AS d FROM "__stream".stored
;
SELECT id, list_transform(l, lambda x: x + random()) AS d FROM "__stream".stored
;
SELECT id FROM "__stream".stored TABLESAMPLE 10%
;
SELECT count(*) AS n FROM "__stream".stored
;
SELECT row_number() OVER (ORDER BY id) AS n FROM "__stream".stored
;
SELECT id FROM "__stream".stored LIMIT 3
;
SELECT id FROM "__stream".stored WHERE id IN (SELECT id FROM feed)
;
SELECT s.id FROM "__stream".stored AS s JOIN feed USING (id)
;
SELECT id FROM "__stream".stored UNION ALL SELECT id FROM "__stream".stored
;
SELECT id FROM "__stream".stored WHERE id >= 3
;
SELECT id, id > 0 AS late FROM "__stream".feed
;
SELECT id, (SELECT count(*) FROM feed) AS n FROM "__stream".feed
;
SELECT count(*) AS n FROM s
;
SELECT count(*) AS n, sum(amount) AS amount FROM bronze_orders
;
SELECT * FROM silver_flights WHERE departed_at > now() - INTERVAL 7 DAYS
;
SELECT CAST(delay AS BIGINT) AS delay, origin, 'late' AS why FROM "__stream".silver_flights WHERE delay > 60
;
SELECT origin <> '', on_violation: drop
;
SELECT origin = 'ZRH'
OR lenth(origin) = 3
;
SELECT origin IS NOT NULL AND dely > 0, on_violation: drop
;
SELECT b.id FROM "__stream".bronze AS b JOIN new_late AS n USING (id)
;
SELECT id,
       departed_at - TIMESTAMP '2000-01-01' AS gap,
       {'a': INTERVAL 1 DAY} AS nested
FROM bronze
;
SELECT sum(id) AS total, count(*)::UTINYINT AS n FROM bronze
;
SELECT id FROM "__stream".bronze ORDER BY id DESC LIMIT 10
;
DESCRIBE bronze
;
SELECT *, upper(origin) AS origin FROM "__stream".bronze
;
SELECT * FROM "__stream".bronze AS a JOIN feed AS f ON a.id = f.id
;
WITH nowhere AS (SELECT id FROM bronze) SELECT * FROM nowhere
;
WITH recent AS (SELECT id FROM bronze)
SELECT id, (SELECT max(id) FROM fed) AS newest
FROM recent
WHERE id IN (SELECT id FROM recent UNION ALL SELECT id FROM bronse)
  AND EXISTS (WITH recent2 AS (SELECT 1) SELECT * FROM recent2)
  AND id > (SELECT count(*) FROM recent2)
;
SELECT * FROM "__stream".declared UNION ALL SELECT * FROM "__stream".empty
;
SELECT id
FROM "__stream".bronze
WHERE delay >> > 3
;
SELECT `id` FROM bronze
;
SELECT b.*, f.origin AS o
FROM bronze AS b JOIN feed AS f USING (id)
;
SELECT id,
       b.dely AS late
FROM "__stream".bronze AS b
;
SELECT idd, lenght(orign) AS n, upper(origin) AS origin, sqare(delay, delay2) + idd AS s
FROM bronze
WHERE departed_at > 3 AND b.x = 1 AND nope() > 2
GROUP BY ALL
;
SELECT CAST(id AS TIMESTAMP) AS t, b.delay::date AS d, TRY_CAST(id / 1000 AS TIMESTAMPTZ) AS z, CAST(departed_at AS BIGINT) AS n, CAST(CAST(departed_at AS DATE) AS INTEGER) AS i,
       CAST(origin AS TIMESTAMP) AS o, CAST(departed_at AS DATE) AS f, CAST(delay AS BIGINT) AS g, CAST(to_timestamp(id) AS DATE) AS h
FROM "__stream".bronze AS b
;
SELECT from_json(origin, 'a INT') AS a FROM "__stream".bronze
;
SELECT explode(tags) AS tag, to_date(origin, 'yyyy') AS d, current_timestamp() AS ts, _rescued_data FROM "__stream".bronze WHERE origin = "DELETED" AND size(tags) > 0
;
SELECT lenght(origin) AS n FROM "__stream".bronze
;
SELECT sum(origin) AS n FROM bronze
;
SELECT origin, count(*) AS n FROM bronze
;
SELECT x.origin FROM bronze AS b
;
SELECT _metadata.file_pat AS f FROM "__stream".feed
;
SELECT * EXCLUDE (origine) FROM bronze
;
SELECT id FROM bronze UNION ALL SELECT id, delay FROM bronze
;
SELECT idd, origin + 1 AS o, n, missing FROM several
;
SELECT 'é' AS e, /* 日本 */ delayed,
FROM "__stream".bronze
;
SELECT id FROM bronze WHERE delay > $1
;
SELECT c.id FROM c JOIN bronze USING (id)
;
SELECT * FROM read_csv('data/x.csv')
;
SELECT b.id FROM bronze AS b JOIN 'data/x.parquet' AS x ON x.id = b.id
;
SELECT id, current_setting('allowed_directories') AS s, "SetSeed"(0.5) AS seed FROM bronze
;
SELECT n, unnest([1, 2]) AS two FROM range(10) AS r(n), unnest([3]) AS u(x), bronze
;
SELECT CAST(delay AS BIGINT) AS delay, id::VARCHAR AS id, 'x' AS extra FROM "__stream".bronze
;
SELECT origin, count(*) AS n
FROM "__stream".bronze
GROUP BY origin
;
SELECT id FROM "__stream".bronze QUALIFY row_number() OVER (PARTITION BY origin ORDER BY id) = 1
;
WITH b AS (SELECT * FROM "__stream".bronze) SELECT max(id) AS id FROM b
;
SELECT b.id, t.n FROM "__stream".bronze AS b JOIN (SELECT origin, count(*) AS n FROM feed GROUP BY origin) AS t USING (origin)
;
SELECT id FROM "__stream".bronze UNION SELECT id FROM "__stream".feed
;
SELECT b.id FROM "__stream".bronze AS b JOIN "__stream".feed AS f USING (id)
;
SELECT * FROM bronze WHERE delay > 0
;
SELECT *, 1 AS __violations_x FROM "__stream".feed
;
SELECT 1::INTEGER AS id FROM range(3)
;
SELECT i FROM range(20000) r(i)
;
SELECT 1 AS i, 'a' AS k WHERE false
;
SELECT CAST(CASE WHEN i = 150000 THEN 'x' ELSE '1' END AS INTEGER) AS i FROM range(200000) r(i)
;
SELECT repeat('\x01'::BLOB, n) AS b FROM (VALUES (2), (300)) v(n)
;
SELECT * FROM sqlite_scan('{out}/x.db', 't')
;
SELECT CAST(hash(i) AS DECIMAL(20,0)) AS h, CAST(i AS VARCHAR) AS s FROM range(1500000) r(i) ORDER BY h
;
SELECT sum(a.i * b.i) AS s FROM range(1000000) a(i), range(1000000) b(i)
;
SELECT * FROM (SELECT count(*), sum(id) FROM bronze), (SELECT count(*), count(DISTINCT id), sum(amount) FROM silver),
	(SELECT count(*), sum(CAST(row->>'amount' AS BIGINT)) FROM dead_letter WHERE status = 'open'),
	(SELECT n, amount FROM gold UNION ALL SELECT NULL, NULL LIMIT 1), (SELECT amount FROM gold_copy UNION ALL SELECT NULL LIMIT 1)
;
SELECT gold.n, gold.amount, gold_copy.amount AS copy FROM gold, gold_copy
;
SELECT count(DISTINCT amount // 1000) = 1 AND count(DISTINCT amount) = count(*) AND (SELECT count(DISTINCT id) = count(*) FROM bronze)
			FROM (SELECT amount FROM silver UNION ALL SELECT CAST(row->>'amount' AS BIGINT) FROM dead_letter)
;
SELECT (SELECT count(*) FROM bronze) AS rows, (SELECT n FROM gold) AS n
;
SELECT (SELECT count(*) FROM bronze) = (SELECT count(*) FROM silver) + (SELECT count(*) FROM dead_letter)
;
SELECT 'event_log', CAST(to_json({'dataset': origin.dataset_name, 'flow': origin.flow_name, 'details': details}) AS VARCHAR)
		FROM event_log WHERE event_type = 'flow_progress'
;
SELECT CAST(x AS INTEGER) FROM (VALUES ('a')) t(x)
;
SELECT 1 FROM nowhere
;
SELECT 1 ORDER BY 'x'
;
SELECT sum(x) FROM (VALUES ('a')) t(x)
;
SELECT (SELECT count(DISTINCT order_id) || ' ' || count(*) FROM bronze_orders) || ' ' || (SELECT count(*) FROM silver_orders) || ' ' ||
  (SELECT count(*) FROM dead_letter WHERE error IS NOT NULL) || ' ' || (SELECT count(*) FROM dead_letter WHERE error IS NULL) || ' ' ||
  (SELECT sum(orders) FROM gold_orders_per_minute) || ' ' || (SELECT count(*) FROM silver_orders WHERE customer IS NULL) AS x
;
SELECT country, date_trunc('minute', ordered_at) AS minute, count(*) AS orders, sum(total) AS sales
FROM silver_orders GROUP BY ALL
;
SELECT total > 0, on_violation: drop
;
SELECT origin_state AS state, count(*) AS flights, avg(delay) AS mean_delay
FROM silver_flights GROUP BY ALL
;
SELECT iata IS NOT NULL, on_violation: drop
;
SELECT origin_city IS NOT NULL AND destination_city IS NOT NULL, on_violation: drop
;
SELECT origin <> destination, on_violation: fail
;
-- One row per flight. The flights are a stream; the airports are read whole, for every batch.
SELECT strptime(f.date, '%Y/%m/%d %H:%M') AS departed_at, f.delay, f.distance,
       f.origin, o.city AS origin_city, o.state AS origin_state,
       f.destination, d.city AS destination_city, d.state AS destination_state
FROM "__stream".bronze_flights AS f
LEFT JOIN bronze_airports AS o ON o.iata = f.origin
LEFT JOIN bronze_airports AS d ON d.iata = f.destination
;
SELECT CAST(v AS VARCHAR) FROM read_json('%s', format='newline_delimited', records=true, columns={'v': '%s'})
;
SELECT unnest(['%s', '100', 'x']) AS id, 1 AS v
;
SELECT i, {'a': t, 'l': [s, 'x'::BLOB]} AS v, MAP{s: t} AS m, [[t], NULL] AS n FROM (VALUES
		(1::BIGINT, 5::BIGINT, 'é'::BLOB), (2, -5, 'b'), (3, 4611686018427387904, '\xFF'), (4, NULL, 'd'), (5, 86400000000, '\xFF')) AS v(i, t, s)
;
SELECT 6::BIGINT AS i, {'a': TIME '10:00:00', 'l': ['b']} AS v, MAP{'k': TIME '11:00:00'} AS m, [[TIME '12:00:00']] AS n
;
SELECT i AS id, 'n' || i % 3 AS name, CASE WHEN i % 2 = 0 THEN i / 3 END AS part FROM range(20) r(i)
;
SELECT {'a': i, 'b': ['x', NULL, 'y' || i]} AS s, MAP{'k': i} AS m, [[i], []] AS l FROM range(5) r(i)
;
SELECT 1.25::DECIMAL(30,2) AS d, uuid() AS u, TIMESTAMP_NS '2024-01-31 10:00:00.123456789' AS ns, INTERVAL 1 DAY AS iv, true AS t, 'a'::BLOB AS b, 5::UBIGINT AS ub, DATE '2024-01-31' AS day
;
SELECT {'a': 1, 'b': ['x', NULL]}::VARIANT AS v, '{"x": 1}'::JSON AS j, 'POINT(1 2)'::GEOMETRY AS g
;
SELECT unnest([TIMESTAMP_NS '2024-01-31 10:00:00.123456789', TIMESTAMP_NS '2024-01-31 10:00:00.123456', NULL]) AS at, TIME_NS '10:00:00.123456789' AS clock
;
SELECT i AS id, repeat('ab', 500000 + i) AS note FROM range(120) r(i)
;
SELECT encode(chr(9) || '"x' || (i % 5) || '"') AS b FROM range(1000) AS r(i)
;
SELECT 1::TINYINT AS a, {'p': 1} AS s, 'x' AS file_index
;
SELECT i AS a, {'p': i, 'q': 'y'} AS s, DATE '2024-01-01' AS d FROM unnest(['2', 'x', '3']) AS t(i)
;
SELECT id, CAST(v AS VARCHAR),
;
SELECT count(*) FROM t
;
SELECT ids || ':' || (SELECT count(*) FROM bronze) || ':' || (SELECT count(*) FROM dead_letter) AS x FROM hourly
;
SELECT count(*) || ':' || sum(id) AS x FROM silver
;
SELECT count(*) || ':' || sum(number) || ':' || (SELECT count(*) FROM bronze) || ':' || (SELECT count(*) FROM direct) AS x FROM silver
;
SELECT string_agg("table" || (decode(raw)::JSON->>'id') || (file IS NOT NULL), ';' ORDER BY "table", line, decode(raw)) AS x FROM dead_letter WHERE contains(error, 'the query fails on it')
;
SELECT (SELECT count(*) FROM bronze) AS a, (SELECT sum(id) FROM bronze) AS b,
	(SELECT count(*) FROM silver) AS c, (SELECT count(DISTINCT id) FROM silver) AS d, (SELECT sum(amount) FROM silver) AS e,
	(SELECT count(*) FROM dead_letter WHERE status = 'open') AS f, (SELECT sum(CAST(row->>'amount' AS BIGINT)) FROM dead_letter WHERE status = 'open') AS g,
	(SELECT n FROM gold) AS h, (SELECT amount FROM gold) AS i, (SELECT amount FROM gold_copy) AS j
;
SELECT CAST(to_json(__row) AS VARCHAR) FROM read_parquet(['%s'], hive_partitioning = false, union_by_name = true) __row
;
SELECT name FROM pragma_table_info('%s')
;
SELECT metadata_location FROM iceberg_tables WHERE table_namespace = 'chaos' AND table_name = ?
;
SELECT b.*, s.* FROM (SELECT count(*) AS n, sum(id) AS ids FROM bronze) AS b, (SELECT count(*) AS m, sum(id) AS idt FROM silver) AS s
;
SELECT (SELECT count(*) FROM bronze) = (SELECT count(*) FROM silver) + (SELECT count(*) FROM dead_letter) AS x
;
SELECT (SELECT list(v ORDER BY id) FROM bronze) = [1.25] AND (SELECT count(*) FROM dead_letter) = 2 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT (SELECT list(CAST("at" AS VARCHAR) ORDER BY id) FROM bronze) = ['2024-01-01 00:00:00.123456'] AND EXISTS (FROM event_log WHERE level = 'WARN' AND message LIKE '%column at%') AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT s FROM bronze WHERE id = 100
;
SELECT (SELECT count(*) FROM bronze WHERE id < 100) + (SELECT count(*) FROM dead_letter WHERE line > 0) >= 8 OR EXISTS (FROM dead_letter WHERE line = 0 AND error <> '') AS ok, (SELECT string_agg(file || ':' || line || ' ' || error, '; ') FROM dead_letter) AS shown
;
SELECT (SELECT count(*) FROM bronze WHERE id IN (11, 13, 21, 31)) + 4 * (SELECT count(DISTINCT file) FROM dead_letter WHERE line = 0) >= 4 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT (SELECT count(*) FROM bronze) = 2998 AND (SELECT count(*) FROM dead_letter) = 2 OR (SELECT count(*) FROM bronze) + (SELECT sum(1 + (length(r) - length(replace(r, '\x0A', ''))) // 4) FROM (SELECT rtrim(CAST(raw AS VARCHAR)) AS r FROM dead_letter)) = 3000 AS ok, {'rows': (SELECT count(*) FROM bronze), 'dead': (SELECT count(*) FROM dead_letter), 'bytes': (SELECT sum(octet_length(raw)) FROM dead_letter)} AS shown
;
SELECT "table", count(*) AS n FROM dead_letter GROUP BY ALL ORDER BY 1
;
SELECT i AS "a b", i AS "ü", i AS "1st", 'v/' || i AS "x.y", i AS "q""q" FROM range(1, 4) r(i)
;
SELECT count(*) AS n, count(DISTINCT id) AS d FROM t
;
SELECT "a b", "ü", "1st", "x.y", "q""q" FROM t ORDER BY 1
;
SELECT count(*) AS n FROM t WHERE "a b" = 2 AND "ü" = 2
;
SELECT id, typeof(id) AS t, city FROM t ORDER BY id
;
SELECT n, typeof(n) AS t FROM sums
;
SELECT typeof(id) AS t, count(*) AS n FROM t GROUP BY ALL
;
SELECT * FROM t ORDER BY ALL LIMIT 1
;
SELECT count(*) AS n FROM event_log WHERE message LIKE 'bronze wrote%'
;
SELECT f.id, f.city, f._metadata.file_name AS file FROM "__stream".feed AS f
;
SELECT id, city || '!' AS label FROM "__stream".bronze b WHERE b.id > 0
;
SELECT id, label || label AS label FROM "__stream".labelled
;
SELECT * FROM cities WHERE country IS NOT NULL
;
SELECT s.id, (SELECT count(*) FROM bronze) AS seen FROM "__stream".bronze s
;
SELECT (SELECT list(CAST(insured AS VARCHAR) ORDER BY id) FROM bronze) = ['Yes', 'No', 'Unknown', 'Yes'] OR EXISTS (FROM event_log WHERE level = 'WARN' AND message LIKE '%BOOLEAN%') AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT * FROM silver ORDER BY id
;
SELECT line, CAST(raw AS VARCHAR) AS raw, error FROM dead_letter
;
SELECT count(*) AS n FROM event_log WHERE level = 'WARN' AND message LIKE 'column b is new%'
;
SELECT id, a, r->'b' AS b, r->'id' AS bad_id, parse_filename(r->>'_file_path') AS file FROM (SELECT *, CAST(_rescued_data AS JSON) AS r FROM silver) ORDER BY ALL
;
SELECT id < 4, on_violation: drop
;
SELECT DISTINCT update_id FROM dead_letter WHERE status = 'failed_update'
;
SELECT id FROM dead_letter WHERE raw IS NOT NULL
;
SELECT (SELECT count(*) FROM bronze) = 2 AND (SELECT list(octet_length(raw)) FROM dead_letter) = [25021] AS ok, (SELECT list(octet_length(raw)) FROM dead_letter) AS shown
;
SELECT id * 10 AS id FROM "__stream".bronze
;
SELECT l.id, n.name FROM "__stream".late l JOIN names n USING (id)
;
SELECT parse_filename(file) AS file, line, "offset", CAST(raw AS VARCHAR) AS raw, error FROM dead_letter ORDER BY ALL
;
SELECT DISTINCT "table", flow, source, status, "row" FROM dead_letter
;
SELECT b.id, c.name, (SELECT count(*) FROM known) AS seen FROM "__stream".bronze b LEFT JOIN current c ON c.id = b.customer
;
SELECT id, max(name) AS name FROM known GROUP BY id
;
SELECT * FROM "__stream".sj WHERE "NAME" = '3'
;
SELECT count(*) AS n FROM j WHERE "NAME" = '3'
;
SELECT flag FROM bronze ORDER BY id
;
SELECT * FROM "__stream".feed UNION ALL SELECT * FROM "__stream".s2 UNION ALL SELECT * FROM "__stream".s3 UNION ALL SELECT * FROM "__stream".s4 UNION ALL SELECT * FROM "__stream".s5 UNION ALL SELECT * FROM "__stream".s6 UNION ALL SELECT * FROM "__stream".s7 UNION ALL SELECT * FROM "__stream".s8 UNION ALL SELECT * FROM "__stream".s9 UNION ALL SELECT * FROM "__stream".s10
;
SELECT (SELECT list(city ORDER BY id) FROM bronze) = ['Turin'] AND EXISTS (FROM dead_letter WHERE file LIKE '%odd.csv') OR (SELECT list(city ORDER BY id) FROM bronze) = ['Turin', 'Porto'] AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT 'é日本' AS z, x::INTEGER AS x, CAST(id AS VARCHAR) AS y
FROM "__stream".bronze
;
SELECT sum(CAST(x AS BIGINT)) AS s
FROM bronze
;
SELECT 9223372036854775806 + id AS id FROM "__stream".feed
;
SELECT CAST(x AS INTEGER) > 0, on_violation: drop
;
SELECT event_type, message FROM event_log WHERE level = 'ERROR'
;
SELECT CAST(x AS INTEGER) FROM bronze
;
SELECT count(*) AS n FROM range(300000000) a WHERE hash(a.range) % 7 = 1
;
SELECT (SELECT list(id ORDER BY id) FROM bronze) = [1] AND (SELECT count(*) FROM dead_letter) = 2 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT (SELECT count(*) FROM dead_letter) AS letters, (SELECT count(*) FROM event_log) AS events
;
SELECT count(*) AS n FROM p.dead_letter WHERE raw IS NULL
;
show all tables
;
SELECT name FROM (SHOW TABLES) ORDER BY name
;
SELECT column_name, column_type FROM (DESCRIBE t)
;
SELECT id, name, since, extra FROM t WHERE extra IS NOT NULL
;
SELECT *, typeof(column2) AS type FROM t ORDER BY id
;
SELECT * FROM t ORDER BY 1
;
SELECT id, name, r->>'id' AS bad_id, r->>'extra' AS extra, parse_filename(r->>'_file_path') AS file FROM (SELECT *, CAST(_rescued_data AS JSON) AS r FROM t) ORDER BY name
;
SELECT (SELECT count(*) FROM bronze) = 22002 AND (SELECT typeof(any_value(price)) = 'DOUBLE' AND list(price ORDER BY id) FILTER (id > 22000) = [19.75, 0.4] FROM bronze) OR (SELECT count(*) FROM bronze) = 22000 AND (SELECT count(*) FROM dead_letter) = 2 AS ok, (SELECT list(price) FILTER (id > 22000) FROM bronze) AS shown
;
SELECT list(CAST(v AS DOUBLE) ORDER BY id) AS v FROM bronze
;
SELECT *, s.b[1] AS first FROM "__stream".bronze
;
SELECT parse_filename(file) AS file, line, CAST(raw AS VARCHAR) AS raw, CASE WHEN line > 0 THEN error ELSE left(error, 46) END AS error FROM dead_letter ORDER BY file
;
SELECT s.id, (SELECT count(*) FROM feed w WHERE w.id = s.id) AS n FROM "__stream".feed s
;
SELECT DISTINCT origin.update_id FROM event_log
;
SELECT id FROM "__stream".bronze WHERE id = 5
;
SELECT city, count(*) AS n FROM silver WHERE city IS NOT NULL GROUP BY city
;
SELECT f.id FROM "__stream".feed AS f JOIN "__stream".more AS m ON f.id = m.id
;
SELECT n, count(*) AS batches FROM (SELECT CAST(CAST(details AS JSON)->'$.flow_progress.lakeflow.input_files' AS INTEGER) AS n FROM event_log) WHERE n > 0 GROUP BY n ORDER BY n
;
SELECT id, s, l FROM typed_t WHERE id > 1 ORDER BY id
;
SELECT (SELECT list(CAST(zip AS VARCHAR) ORDER BY id) FROM bronze) = ['94103', '98101', '02134', '00501'] OR (SELECT list(CAST(zip AS VARCHAR) ORDER BY id) FROM bronze) = ['94103', '98101'] AND (SELECT count(*) FROM dead_letter) = 2 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT typeof(id) AS id, typeof(b) AS b, typeof(later) AS later FROM t
;
SELECT count(*) AS n FROM bronze WHERE id IN (1, 9)
;
SELECT (SELECT count(*) FROM bronze) + (SELECT count(*) FROM dead_letter) = 6 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT '‮' AS x, nothing
;
SELECT CAST(s AS INTEGER) FROM t WHERE id = 1
;
SELECT '$b' AS x, nothing FROM t
;
SELECT t.id, count(*) AS n, count(DISTINCT t.path) AS paths, min(t.name) AS name, min(c.name) AS csv FROM t JOIN c USING (id) GROUP BY ALL ORDER BY t.id
;
SELECT parse_filename(file) AS file, line FROM dead_letter
;
SELECT * FROM t ORDER BY ALL
;
SELECT * EXCLUDE (deep) FROM silver ORDER BY n
;
SELECT n, s.x.y[2].z AS z, l[2][1] AS e, "a b" + 1 AS ab, epoch(zoned) AS epoch FROM silver ORDER BY n
;
SELECT sum(length(CAST(deep AS VARCHAR)) - length(replace(CAST(deep AS VARCHAR), '[', ''))) AS levels FROM silver
;
SELECT n, day, local, mixed, big FROM silver WHERE n >= 100 ORDER BY n
;
SELECT unnest(range(n)) AS row FROM totals
;
SELECT (SELECT count(*) FROM bronze) = 9 AND (SELECT title FROM bronze WHERE id = 6) = '"Carry on" brother' OR (SELECT count(*) FROM bronze) = 8 AND (SELECT count(*) FROM dead_letter WHERE line = 7 AND CAST(raw AS VARCHAR) = concat_ws('\x09', '6', '\x22Carry on\x22 brother', '\x22Carry on\x22 brother', '1956')) = 1 AS ok, (SELECT list({'n': line, 'raw': CAST(raw AS VARCHAR)}) FROM dead_letter) AS shown
;
SELECT id, 'late' AS origin FROM "__stream".east WHERE id > 1
;
SELECT origin, count(*) AS n, sum(id) AS s FROM t GROUP BY ALL ORDER BY ALL
;
SELECT origin, more, count(*) AS n FROM t GROUP BY ALL ORDER BY ALL
;
SELECT o.id, c.name FROM "__stream".orders o LEFT JOIN customers c USING (customer)
;
SELECT 1 AS one, sql_file: one.sql
;
SELECT 1 AS one, expectations: {a: one > 0}
;
SELECT * FROM b JOIN d ON TRUE
;
SELECT count(*), count(DISTINCT id), (SELECT count(*) FROM dead_letter), (SELECT n FROM gold) FROM silver
;
SELECT (SELECT list(column_name) FROM (DESCRIBE bronze)) = ['id', 'city'] AND ((SELECT list(city ORDER BY id) FROM bronze) = ['Turin', 'Porto', 'Graz', 'Lyon', 'Bonn'] OR (SELECT list(city ORDER BY id) FROM bronze) = ['Turin', 'Porto'] AND EXISTS (FROM event_log WHERE level = 'WARN' AND message LIKE '%feb.csv%')) AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT amount > 0 AND amount < 100, on_violation: drop
;
SELECT t, u FROM (SELECT count(*) AS t FROM t), (SELECT count(*) AS u FROM u)
;
SELECT (SELECT list(CAST("at" AS VARCHAR) ORDER BY id) FROM bronze) = ['2024-01-01 00:00:00', '2024-01-01 00:00:00'] OR (SELECT list(CAST("at" AS VARCHAR) ORDER BY id) FROM bronze) = ['2024-01-01 00:00:00'] AND (SELECT list(id ORDER BY id) FROM bronze) = [2] AND (SELECT count(*) FROM dead_letter) = 1 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT file, error FROM dead_letter LIMIT 1
;
SELECT id, id, id AS ID, id AS id_1 FROM t ORDER BY 1 LIMIT 1
;
SELECT a.t, b.t FROM t AS a JOIN t AS b USING (id) ORDER BY id LIMIT 1 -- the end
;
SELECT {t: 1, "a b": [NULL, 'x']} AS t, MAP {'k': {t: 1}} AS "columns", NULL AS "say ""t""", 1 AS "<&>", 2 AS "back\slash", count(*) FROM t
;
DESCRIBE SELECT t FROM t
;
SELECT v.name FROM (SELECT unnest(violated) AS v FROM dead_letter) ORDER BY ALL
;
SELECT id, count(*) AS n FROM t GROUP BY id ORDER BY id
;
SELECT id, count(*) AS n FROM t WHERE id < 20 GROUP BY id ORDER BY id
;
SELECT id, count(*) AS n FROM t WHERE id IN (2, 11) GROUP BY id
;
SELECT * FROM enable_logging(storage='file', storage_path='warehouse/logs')
;
SELECT ?
;
SELECT * FROM range(3), enable_logging(storage='stdout')
;
DESCRIBE SELECT * FROM "Enable_Logging"(level='trace', storage='file', storage_path='warehouse/logs')
;
FROM system.main.duckdb_views
;
WITH Recursive n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT count(*) > 0 AS x FROM n, Main.silver AS s, information_schema.tables
;
SELECT count(*) > 0 AS x FROM information_schema.columns, memory.main.silver, "Shop".CITIES
;
WITH RECURSIVE r(n) USING KEY (n) AS (SELECT 1 UNION SELECT r.n + 1 FROM r, recurring.r AS k WHERE r.n < 3) SELECT count(*) > 0 AS x FROM r
;
SELECT (SELECT list(customerId ORDER BY orderId) FROM bronze) = ['a7', 'b2', 'c4'] OR (SELECT list(customerId ORDER BY orderId) FROM bronze) = ['a7'] AND (SELECT count(*) FROM dead_letter) = 2 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT encode(chr(9) || '"x' || (i % 5) || '"') AS b FROM "__stream".feed, range(1000) AS r(i)
;
SELECT count(*) AS n FROM t WHERE b = encode(chr(9) || '"x1"')
;
SELECT count(*) AS n FROM t WHERE b = encode('none')
;
SELECT 1 AS one FROM feed
;
SELECT b.id, n.name FROM bronze b JOIN names n USING (id)
;
SELECT name, 2 * count(*) AS n FROM named GROUP BY name
;
SELECT name, 2 * count(*) AS n FROM named WHERE seen > '2020-01-01' GROUP BY name
;
SELECT (SELECT count(*) FROM bronze) = 22002 AND (SELECT count(*) FROM bronze WHERE CAST(a AS VARCHAR) IN ('0.5', 'n/a')) = 2 AS ok, (SELECT any_value(typeof(a)) FROM bronze) AS shown
;
SELECT (SELECT list(CAST(account AS VARCHAR) ORDER BY n) FROM bronze) = ['9223372036854775808', '9223372036854775809'] AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT (SELECT list(id ORDER BY id) FROM bronze) = [1, 2, 3] OR (SELECT count(*) FROM dead_letter) = 2 AS ok, (SELECT string_agg(CAST(t AS VARCHAR), ' ') FROM bronze AS t) AS shown
;
SELECT id, name, size, starts_with(path, '/') AS absolute, ends_with(path, '/data/' || name) AS whole, abs(epoch(now()) - epoch(modified)) < 600 AS recent FROM origins WHERE id < 5 ORDER BY id
;
SELECT (SELECT count(*) FROM silver), (SELECT count(DISTINCT id) FROM silver), (SELECT count(*) FROM dead_letter), (SELECT n FROM gold)
;
SELECT id, CAST(day AS TIMESTAMP) AS day FROM "__stream".feed
;
SELECT line, "offset", octet_length(raw) AS bytes FROM dead_letter WHERE file LIKE '%unclosed%'
;
SELECT id FROM t WHERE id >= 40
;
SELECT (SELECT sum(n) FROM gold) AS gold, (SELECT count(*) FROM silver) AS silver
;
SELECT (SELECT count(*) FROM bronze) AS bronze, (SELECT count(*) FROM silver) AS silver, (SELECT amount FROM gold) AS gold, count(*) FILTER ("table" = 'bronze') AS letters_bronze, count(*) FILTER ("table" = 'silver') AS letters_silver FROM dead_letter
;
SELECT DISTINCT id FROM "__stream".feed ORDER BY id LIMIT 3
;
SELECT 'all' AS "table", count(*) AS n FROM all_orders
UNION ALL SELECT 'two', count(*) FROM two_orders
UNION ALL SELECT 'newest', count(*) FROM newest_orders
UNION ALL SELECT 'later', count(*) FROM later_orders
;
