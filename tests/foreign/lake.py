"""Asks foreign engines the queries of docs/queries about the lake in the current directory.

Prints one JSON object a line: an answer {"engine", "route", "count", "errors", "p50_ns",
"p99_ns"}, or {"engine", "skipped"} where an engine is not installed. Spark is asked only where it
is named on the command line: it takes a minute to start.

    lake.py QUERIES ENGINE...
"""

import importlib.util
import json
import os
import sys

COLUMNS = ("route", "count", "errors", "p50_ns", "p99_ns")


def duckdb(query):
    import duckdb

    return duckdb.sql(query).fetchall()


def clickhouse(query):
    import chdb

    text = str(chdb.query(query, "JSONCompactEachRow"))
    return [json.loads(line) for line in text.splitlines()]


def datafusion(query):
    import datafusion
    import pyarrow

    context = datafusion.SessionContext()
    partitions = [("date", pyarrow.string()), ("host", pyarrow.string())]
    context.register_parquet("exchanges", "lake", table_partition_cols=partitions)
    batches = context.sql(query).collect()
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def spark(query):
    import pyspark

    os.environ.setdefault("SPARK_HOME", os.path.dirname(pyspark.__file__))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.read.parquet("lake").createOrReplaceTempView("exchanges")
    rows = [tuple(row) for row in session.sql(query).collect()]
    session.stop()
    return rows


ENGINES = {
    "duckdb": (duckdb, "duckdb"),
    "clickhouse": (clickhouse, "chdb"),
    "datafusion": (datafusion, "datafusion"),
    "spark": (spark, "pyspark"),
}


def main():
    queries, *names = sys.argv[1:]
    for name in names:
        ask, module = ENGINES[name]
        if importlib.util.find_spec(module) is None:
            print(json.dumps({"engine": name, "skipped": f"the wheel {module} is not installed"}))
            continue
        with open(os.path.join(queries, f"{name}.sql"), encoding="utf-8") as file:
            query = file.read()
        for row in ask(query):
            answer = dict(zip(COLUMNS, row))
            numbers = {key: answer[key] if key == "route" else int(answer[key] or 0) for key in answer}
            print(json.dumps({"engine": name, **numbers}))


if __name__ == "__main__":
    main()
