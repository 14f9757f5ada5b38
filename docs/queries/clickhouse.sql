-- Count, error rate and percentiles by route, as `weir latency` has them; ClickHouse and chDB.
-- Run where the lake is:  clickhouse local < clickhouse.sql
-- In object storage, put s3('https://bucket.example/lake/**/*.parquet') for file(..).
SELECT
    route,
    countIf(state = 'complete') AS count,
    countIf(status >= 500) AS errors,
    -- quantileExact takes the element at floor(0.99 n), counted from 0: at most one rank above
    -- Weir's. quantileExactWeighted takes the smallest value that reaches 99 %: Weir's own.
    quantileExactWeightedIf(0.50)(total_ns, 1, state = 'complete') AS p50_ns,
    quantileExactWeightedIf(0.99)(total_ns, 1, state = 'complete') AS p99_ns
FROM file('lake/**/*.parquet')
WHERE route IS NOT NULL
GROUP BY route
ORDER BY count DESC, route
