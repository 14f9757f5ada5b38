-- Count, error rate and percentiles by route, as `weir latency` has them; DataFusion, and any
-- engine with window functions: in whole numbers, so that nothing is rounded or estimated.
WITH ranked AS (
    SELECT
        route,
        status,
        state,
        total_ns,
        row_number() OVER (PARTITION BY route, state ORDER BY total_ns) AS place,
        count(*) OVER (PARTITION BY route, state) AS places
    FROM exchanges
    WHERE route IS NOT NULL
)
SELECT
    route,
    sum(CASE WHEN state = 'complete' THEN 1 ELSE 0 END) AS count,
    sum(CASE WHEN status >= 500 THEN 1 ELSE 0 END) AS errors,
    min(CASE WHEN state = 'complete' AND place * 100 >= places * 50 THEN total_ns END) AS p50_ns,
    min(CASE WHEN state = 'complete' AND place * 100 >= places * 99 THEN total_ns END) AS p99_ns
FROM ranked
GROUP BY route
ORDER BY count DESC, route
