"""Asks Apache Spark for the answers that the tests of this folder compare with.

    pip install pyspark && python answers.py > answers.jsonl
    python answers.py functions > functions.txt

Every line of expressions.txt is selected AS v; the lines of queries.txt are run as they are. Spark runs in ANSI mode,
its default, in UTC. The first line of the output tells Spark's version.
"""
import datetime
import decimal
import json
import pathlib
import sys

from pyspark.sql import Row, SparkSession


def plain(v):
    """A value as JSON: numbers and text as they are, everything else as text that begins with its kind."""
    if v is None or isinstance(v, (bool, int, str)):
        return v
    if isinstance(v, float):
        return {"double": repr(v)}
    if isinstance(v, decimal.Decimal):
        return {"decimal": format(v, "f")}
    if isinstance(v, datetime.datetime):
        return {"timestamp": v.replace(tzinfo=None).isoformat(" ", "microseconds")}
    if isinstance(v, datetime.date):
        return {"date": v.isoformat()}
    if isinstance(v, datetime.timedelta):
        return {"interval": v // datetime.timedelta(microseconds=1)}
    if isinstance(v, (bytes, bytearray)):
        return {"binary": bytes(v).hex()}
    if isinstance(v, Row):
        return {"struct": [[name, plain(x)] for name, x in zip(v.__fields__, v)]}
    if isinstance(v, dict):
        return {"map": sorted([[plain(k), plain(x)] for k, x in v.items()], key=json.dumps)}
    if isinstance(v, (list, tuple)):
        return [plain(x) for x in v]
    return {"other": str(v)}


def ask(spark, line, query):
    answer = {"sql": line}
    try:
        frame = spark.sql(query)
        rows = frame.collect()
        answer["columns"] = [[f.name, f.dataType.simpleString()] for f in frame.schema.fields]
        answer["rows"] = [[plain(v) for v in row] for row in rows]
    except Exception as e:  # whatever Spark refuses is an answer
        condition = getattr(e, "getCondition", lambda: None)() or type(e).__name__
        answer["error"] = condition
    return answer


def main():
    here = pathlib.Path(__file__).parent
    spark = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
             .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1").getOrCreate())
    spark.sparkContext.setLogLevel("OFF")
    if sys.argv[1:] == ["functions"]:
        names = sorted(row[0] for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect())
        print("\n".join(name for name in names if name.replace("_", "").isalnum()))
        return
    print(json.dumps({"spark": spark.version}))
    for name, prefix in ("expressions.txt", "SELECT "), ("queries.txt", ""):
        for line in (here / name).read_text().splitlines():
            if line and not line.startswith("#"):
                suffix = " AS v" if prefix else ""
                print(json.dumps(ask(spark, line, prefix + line + suffix), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    import os
    import time
    os.environ["TZ"] = "UTC"
    time.tzset()
    sys.exit(main())
