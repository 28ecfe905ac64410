-- One row per flight.
SELECT origin, destination, delay, distance,
       strptime(date, '%Y-%m-%d') AS departed_at
FROM STREAM(LIVE.bronze_flights) AS b
WHERE delay < ${max_delay};
