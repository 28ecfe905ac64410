"""Asks Apache Spark for the answers that the tests of this folder compare with.

    python answers.py QUESTIONS > answers.jsonl
    python answers.py QUESTIONS spark.sql.ansi.enabled=false > legacy.jsonl
    python answers.py functions > functions.txt

QUESTIONS is a file of lines, or of stored answers (.jsonl): queries are run as they are, and every other line is selected AS v. Spark runs in ANSI mode, its
default, in UTC, where no other settings are given. The first line of the output tells Spark's version and the settings.
"""
import datetime
import decimal
import json
import os
import pathlib
import sys
import time

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


def ask(spark, line):
    query = line if line.lower().startswith(("select", "with ", "values (", "from ")) else "SELECT " + line + " AS v"
    answer = {"sql": line}
    try:
        frame = spark.sql(query)
        answer["columns"] = [[f.name, f.dataType.simpleString()] for f in frame.schema.fields]
        answer["rows"] = [[plain(v) for v in row] for row in frame.collect()]
    except Exception as e:  # whatever Spark refuses is an answer
        condition = getattr(e, "getCondition", lambda: None)()
        if condition is None:  # what Python cannot show is none
            condition = "NOT_IMPLEMENTED" if isinstance(e, (ValueError, OverflowError)) else type(e).__name__
        answer = {"sql": line, "error": condition}
    return answer


def questions(path):
    """The lines of a file, or what answers that are stored are to."""
    lines = path.read_text().split("\n")
    if path.suffix == ".jsonl":
        return [json.loads(line).get("sql", "") for line in lines if line]
    return lines


def main():
    settings = dict(s.split("=", 1) for s in sys.argv[2:])
    builder = (SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
               .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "1")
               .config("spark.sql.codegen.wholeStage", "false").config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
               .config("spark.sql.adaptive.enabled", "false")  # nothing runs twice: to compile takes longer
               .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1"))
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    if sys.argv[1] == "functions":
        names = sorted(row[0] for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect())
        print("\n".join(name for name in names if name.replace("_", "").isalnum()))
        return
    print(json.dumps({"spark": spark.version, **settings}))
    for line in questions(pathlib.Path(sys.argv[1])):
        if line and not line.startswith("#"):
            print(json.dumps(ask(spark, line), ensure_ascii=False), flush=True)


if __name__ == "__main__":
    os.environ["TZ"] = "UTC"
    time.tzset()
    sys.exit(main())
