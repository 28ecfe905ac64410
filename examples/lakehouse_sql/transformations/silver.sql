USE SCHEMA silver;

CREATE OR REFRESH STREAMING TABLE rides (
  CONSTRAINT known_bike EXPECT (bike RLIKE '^[A-Z]{2}-[0-9]{4}$') ON VIOLATION DROP ROW,
  CONSTRAINT ends_after_start EXPECT (minutes >= 0) ON VIOLATION DROP ROW,
  CONSTRAINT plausible_length EXPECT (minutes < ${fleet.max_minutes}),
  CONSTRAINT has_battery EXPECT (battery BETWEEN 0 AND 1)
)
CLUSTER BY (started_on)
COMMENT "Rides with their length and day"
TBLPROPERTIES ("quality" = "silver")
AS SELECT
  ride_id,
  upper(bike) AS bike,
  member_id,
  from_station,
  to_station,
  started_at,
  to_date(started_at) AS started_on,
  timestampdiff(MINUTE, started_at, ended_at) AS minutes,
  battery,
  tags:app.version::STRING AS app_version
FROM STREAM(bronze.rides);

CREATE OR REFRESH STREAMING TABLE members
COMMENT "Members as they are"
TBLPROPERTIES ("quality" = "silver");

CREATE FLOW members_flow AS AUTO CDC INTO members
FROM STREAM(bronze.member_changes)
KEYS (id)
APPLY AS DELETE WHEN operation = "DELETE"
SEQUENCE BY seq
COLUMNS * EXCEPT (operation, seq, _rescued_data)
STORED AS SCD TYPE 1;

CREATE OR REFRESH STREAMING TABLE members_history
COMMENT "Every plan that a member has had"
TBLPROPERTIES ("quality" = "silver");

APPLY CHANGES INTO LIVE.silver.members_history
FROM STREAM(LIVE.bronze.member_changes)
KEYS (id)
APPLY AS DELETE WHEN operation = 'DELETE'
SEQUENCE BY seq
COLUMNS * EXCEPT (operation, seq, _rescued_data)
STORED AS SCD TYPE 2
TRACK HISTORY ON (plan);
