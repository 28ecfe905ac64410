"""Reads every version of the tables of a warehouse with PyIceberg or with Spark, and prints what it finds as JSON.

read_changed.py pyiceberg WAREHOUSE NAMESPACE TABLE,… FILTER…
read_changed.py spark WAREHOUSE NAMESPACE TABLE,… FILTER…     with the jars that LAKEFLOW_SPARK_JARS names
"""

import datetime
import json
import os
import sys
import urllib.parse

from spelled import spelled

reader, warehouse, namespace, names, filters = sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4].split(","), sys.argv[5:]


def chosen(operations):
    """The numbers of the versions that are read: the first ones, and those around a rewrite."""
    return [i for i in range(len(operations)) if i < 2 or "replace" in operations[max(0, i - 1) : i + 2]]


def pyiceberg():
    from pyiceberg.catalog.sql import SqlCatalog
    import pyiceberg

    uri = "sqlite:///" + urllib.parse.quote(os.path.join(warehouse, "catalog.db"))
    catalog = SqlCatalog("lakeflow", uri=uri, warehouse="file://" + warehouse)
    rows = lambda scan: [spelled(r) for r in scan.to_arrow().to_pylist()]
    tables = {}
    for name in names:
        table = catalog.load_table((namespace, name))
        snapshots = table.metadata.snapshots
        tables[name] = {
            "rows": rows(table.scan()),
            "versions": [
                [int(snapshots[i].summary["lakeflow.commit"]), rows(table.scan(snapshot_id=snapshots[i].snapshot_id))]
                for i in chosen([s.summary.operation.value for s in snapshots])
            ],
            "filtered": [rows(table.scan(row_filter=f)) for f in filters],
        }
    return {"version": pyiceberg.__version__, "tables": tables}


def spark():
    from pyspark.sql import SparkSession

    conf = {
        "spark.jars": ",".join(os.path.join(os.environ["LAKEFLOW_SPARK_JARS"], f) for f in os.listdir(os.environ["LAKEFLOW_SPARK_JARS"]) if f.endswith(".jar")),
        "spark.ui.enabled": "false",
        # A few rows each: compiling the queries would cost more than it saves.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.catalog.lakeflow": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lakeflow.type": "jdbc",
        "spark.sql.catalog.lakeflow.uri": f"jdbc:sqlite:file:{warehouse}/catalog.db?mode=ro",
        "spark.sql.catalog.lakeflow.jdbc.schema-version": "V1",
        "spark.sql.catalog.lakeflow.jdbc.init-catalog-tables": "false",
        "spark.sql.catalog.lakeflow.warehouse": "file://" + warehouse,
    }
    builder = SparkSession.builder.master("local[2]").appName("lakeflow")
    for key, value in conf.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    tables = {}
    for table in names:
        name = f"lakeflow.{namespace}.`{table}`"
        versions = session.sql(f"SELECT snapshot_id, operation, summary['lakeflow.commit'] AS commit FROM {name}.snapshots ORDER BY committed_at").collect()
        zoned = {f.name for f in session.table(name).schema if f.dataType.typeName() == "timestamp"}  # which PySpark gives in the process's time zone
        plain = lambda r: spelled({k: v.astimezone(datetime.timezone.utc) if v and k in zoned else v for k, v in r.asDict(recursive=True).items()})
        # One query for all: most of the time goes into planning and starting.
        parts = [(-1, -1, name)] + [(i, int(versions[i].commit), f"{name} VERSION AS OF {versions[i].snapshot_id}") for i in chosen([v.operation for v in versions])]
        parts += [(-2 - i, -1, f"{name} WHERE {f}") for i, f in enumerate(filters)]
        rows = {number: [] for number, _, _ in parts}
        union = " UNION ALL ".join(f"SELECT {number} AS __part, struct(*) AS __row FROM {what}" for number, _, what in parts)
        for r in session.sql(union).collect():
            rows[r["__part"]].append(plain(r["__row"]))
        named = session.sql(f"SELECT count(*) AS n, count(DISTINCT file_path, pos) AS distinct FROM {name}.position_deletes").first()
        tables[table] = {
            "rows": rows[-1],
            "versions": [[commit, rows[number]] for number, commit, _ in parts if number >= 0],
            "filtered": [rows[-2 - i] for i in range(len(filters))],
            "named": [named["n"], named["distinct"]],
        }
    version = session.version
    session.stop()
    return {"version": version, "tables": tables}


print(json.dumps({"pyiceberg": pyiceberg, "spark": spark}[reader]()))
