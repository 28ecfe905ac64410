-- Databricks notebook source
-- What comes from the stations and the app, as it was sent.
USE SCHEMA bronze;

CREATE OR REFRESH STREAMING TABLE rides
COMMENT "Every ride, as the docks reported it"
TBLPROPERTIES ("quality" = "bronze", "delta.autoOptimize.optimizeWrite" = "true")
AS SELECT *, _metadata.file_name AS source_file
FROM STREAM read_files(
  '${landing}/rides',
  format => 'json',
  schemaHints => 'ride_id BIGINT, started_at TIMESTAMP, ended_at TIMESTAMP, battery DOUBLE'
);

-- COMMAND ----------

CREATE OR REFRESH STREAMING LIVE TABLE member_changes
COMMENT "Inserts, updates and deletes of the app's members"
TBLPROPERTIES ("quality" = "bronze")
AS SELECT * FROM cloud_files(
  '${landing}/members', 'json',
  map('cloudFiles.inferColumnTypes', 'true', 'schemaHints', 'id BIGINT, seq BIGINT')
);

-- COMMAND ----------

CREATE OR REFRESH MATERIALIZED VIEW stations (
  station_id INT COMMENT 'as painted on the dock',
  name STRING,
  district STRING,
  CONSTRAINT has_name EXPECT (name IS NOT NULL) ON VIOLATION DROP ROW
)
AS SELECT CAST(station_id AS INT) AS station_id, trim(name) AS name, initcap(district) AS district
FROM read_files('${landing}/stations', format => 'csv', header => true);
