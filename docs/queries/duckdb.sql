-- Count, error rate and percentiles by route, as `weir latency` has them; DuckDB 1.x and 2.x.
-- Run where the lake is:  duckdb < duckdb.sql
SELECT
    route,
    count(*) FILTER (WHERE state = 'complete') AS count,
    count(*) FILTER (WHERE status >= 500) AS errors,
    -- The smallest value that at least 99 % do not pass: the same definition as Weir's.
    quantile_disc(total_ns, 0.50) FILTER (WHERE state = 'complete') AS p50_ns,
    quantile_disc(total_ns, 0.99) FILTER (WHERE state = 'complete') AS p99_ns
FROM read_parquet('lake/*/*/*.parquet', hive_partitioning = true)
WHERE route IS NOT NULL
GROUP BY route
ORDER BY count DESC, route
