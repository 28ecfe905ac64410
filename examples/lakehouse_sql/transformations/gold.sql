CREATE OR REFRESH MATERIALIZED VIEW rides_by_day
COMMENT "How much was ridden, and what the weather was"
TBLPROPERTIES ("quality" = "gold")
AS SELECT
  r.started_on AS day,
  count(*) AS rides,
  count_if(r.minutes > 60) AS long_rides,
  round(avg(r.minutes), 1) AS avg_minutes,
  max(w.rain_mm) AS rain_mm
FROM silver.rides r
LEFT JOIN samples.weather.daily w ON w.day = r.started_on
GROUP BY ALL;

CREATE OR REFRESH MATERIALIZED VIEW rides_by_district
TBLPROPERTIES ("quality" = "gold")
AS
WITH started AS (
  SELECT s.district, m.plan, r.minutes
  FROM silver.rides AS r
  JOIN bronze.stations AS s ON s.station_id = r.from_station
  LEFT JOIN silver.members AS m ON m.id = r.member_id
)
SELECT district, coalesce(plan, 'none') AS plan, count(*) AS rides, sum(minutes) AS minutes
FROM started
GROUP BY district, plan;

CREATE OR REFRESH MATERIALIZED VIEW busiest_stations
TBLPROPERTIES ("quality" = "gold")
AS SELECT started_on AS day, s.name AS station, count(*) AS rides
FROM silver.rides JOIN bronze.stations s ON s.station_id = from_station
GROUP BY started_on, s.name
QUALIFY row_number() OVER (PARTITION BY started_on ORDER BY count(*) DESC, s.name) <= 2;
