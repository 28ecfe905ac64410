-- One row per flight. The flights are a stream; the airports are read whole, for every batch.
SELECT strptime(f.date, '%Y/%m/%d %H:%M') AS departed_at, f.delay, f.distance,
       f.origin, o.city AS origin_city, o.state AS origin_state,
       f.destination, d.city AS destination_city, d.state AS destination_state
FROM STREAM(bronze_flights) AS f
LEFT JOIN bronze_airports AS o ON o.iata = f.origin
LEFT JOIN bronze_airports AS d ON d.iata = f.destination
