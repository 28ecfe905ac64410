-- A stream-static join: each new flight meets the airports as they are now.
SELECT strptime(f.date, '%Y/%m/%d %H:%M') AS departed_at,
       f.delay, f.distance, f.origin, f.destination,
       a.city AS origin_city, a.state AS origin_state
FROM STREAM bronze_flights f
LEFT JOIN airports_file a ON a.iata = f.origin
