-- Count, error rate and percentiles by route, as `weir latency` has them; Spark 3.4 and later.
-- `exchanges` is the lake:  spark.read.parquet('lake').createOrReplaceTempView('exchanges')
SELECT
    route,
    count_if(state = 'complete') AS count,
    count_if(status >= 500) AS errors,
    -- percentile_disc is exact and has Weir's definition. Where a shuffle of all values is too
    -- dear: percentile_approx(total_ns, 0.99, 10000), off by at most one rank in ten thousand.
    percentile_disc(0.50) WITHIN GROUP (ORDER BY total_ns) FILTER (WHERE state = 'complete') AS p50_ns,
    percentile_disc(0.99) WITHIN GROUP (ORDER BY total_ns) FILTER (WHERE state = 'complete') AS p99_ns
FROM exchanges
WHERE route IS NOT NULL
GROUP BY route
ORDER BY count DESC, route
