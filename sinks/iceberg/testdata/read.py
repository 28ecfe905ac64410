"""Reads a warehouse with PyIceberg and prints what it finds as JSON: rows, files and what filters leave of them."""

import json
import os
import sys
import urllib.parse
from decimal import Decimal

from pyiceberg import expressions as e
from pyiceberg.catalog.sql import SqlCatalog

warehouse, namespace, names = sys.argv[1], sys.argv[2], sys.argv[3:]
catalog = SqlCatalog("lakeflow", uri="sqlite:///" + urllib.parse.quote(os.path.join(warehouse, "catalog.db")), warehouse="file://" + warehouse)


def text(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {k: text(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [text(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def files(scan):
    return sorted(os.path.basename(t.file.file_path) for t in scan.plan_files())


out = {"tables": sorted(t[-1] for t in catalog.list_tables(namespace)), "read": {}}
for name in names:
    table = catalog.load_table(tuple(name.split(".")) if "." in name else (namespace, name))
    rows = table.scan().to_arrow().to_pylist()
    rows.sort(key=lambda r: r["id"])
    found = {
        "rows": [text(r) for r in rows],
        "spec": [f"{f.name}={f.transform}" for f in table.spec().fields],
        "partitions": [[text(v) for v in list(t.file.partition)] for t in table.scan().plan_files()],
        "snapshots": [(s.summary.operation.value, s.summary["total-records"]) for s in table.metadata.snapshots],
        "filters": {},
    }
    for field in table.schema().fields:
        if not field.field_type.is_primitive:
            continue
        c = field.name
        filters = {"null": e.IsNull(c), "not null": e.NotNull(c)}
        for row in rows:
            v = row[c]
            if v is None:
                continue
            if str(field.field_type) == "uuid":
                import uuid
                v = str(v if isinstance(v, uuid.UUID) else uuid.UUID(bytes=v))
            if str(field.field_type) in ("time", "date") or str(field.field_type).startswith("timestamp"):
                v = v.isoformat()
            if isinstance(v, Decimal):
                v = str(v)
            label = str(row["id"])
            filters["= " + label] = e.EqualTo(c, v)
            if str(field.field_type) != "boolean":
                filters["< " + label] = e.LessThan(c, v)
                filters["> " + label] = e.GreaterThan(c, v)
                filters[">= " + label] = e.GreaterThanOrEqual(c, v)
        found["filters"][c] = {}
        for label, expression in filters.items():
            scan = table.scan(row_filter=expression)
            planned = None
            try:
                planned = files(scan)
                ids = sorted(scan.to_arrow()["id"].to_pylist())
            except Exception as x:  # PyIceberg cannot compare every type
                ids = type(x).__name__ + ": " + str(x)
            found["filters"][c][label] = {"files": planned, "ids": ids}
    out["read"][name] = found
print(json.dumps(out))
