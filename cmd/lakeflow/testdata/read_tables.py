"""Reads every table of a warehouse with PyIceberg and prints what it finds as JSON, and as "wrong" where filters lose rows.

Whether a filter loses rows is found out from the files themselves: each is read once, without Iceberg, and a file with a row that
satisfies the filter must be among those that PyIceberg plans to read.
"""

import datetime
import json
import os
import sys
import urllib.parse
import uuid
from decimal import Decimal

import pyarrow.parquet as pq
from pyiceberg import expressions as e
from pyiceberg.catalog.sql import SqlCatalog
from spelled import spelled

warehouse, namespace = sys.argv[1:]
catalog = SqlCatalog("lakeflow", uri="sqlite:///" + urllib.parse.quote(os.path.join(warehouse, "catalog.db")), warehouse="file://" + warehouse)


def literal(v):
    """The value as PyIceberg's expressions take it."""
    if isinstance(v, (datetime.datetime, datetime.date, datetime.time)):
        return v.isoformat()
    return str(v) if isinstance(v, (Decimal, uuid.UUID)) else v


def ids(fields, prefix=""):
    out = {}
    for f in fields:
        out[prefix + f.name] = f.field_id
        t = f.field_type
        while hasattr(t, "element_type"):
            out[prefix + f.name + ".element"] = t.element_id
            t = t.element_type
        if hasattr(t, "fields"):
            out.update(ids(t.fields, prefix + f.name + "."))
    return out


def by_name(table, task):
    """The rows of a data file, with the names that the table's columns have now. Columns that say where rows are from are no part of the table."""
    names = {f.field_id: f.name for f in table.schema().fields}
    content = pq.ParquetFile(task.file.file_path.removeprefix("file://"))
    columns = {f.name: int(f.metadata[b"PARQUET:field_id"]) for f in content.schema_arrow}
    own = {name: field for name, field in columns.items() if field < 2_000_000_000}
    return content.read(columns=list(own)).rename_columns([names[field] for field in own.values()]).to_pylist()


def uuids(v):
    return uuid.UUID(bytes=v) if isinstance(v, bytes) and len(v) == 16 else v


def check(table, field, rows, wrong):
    """Compares what filters on one column leave with the rows. Returns how many plans left files out."""
    pruned = 0
    c, typ = field.name, str(field.field_type)
    value = (lambda r: uuids(r.get(c))) if typ == "uuid" else (lambda r: r.get(c))
    present = sorted({v for _, file in rows for r in file if (v := value(r)) is not None})
    chosen = {present[i * (len(present) - 1) // 2] for i in range(3)} if present else set()
    filters = [("IS NULL", e.IsNull(c), lambda v: v is None), ("IS NOT NULL", e.NotNull(c), lambda v: v is not None)]
    if typ == "uuid" and any(f.source_id == field.field_id and str(f.transform) == "identity" for f in table.spec().fields):
        chosen = set()  # PyIceberg takes none of them for equal
    for x in sorted(chosen):
        filters.append((f"= {x}", e.EqualTo(c, literal(x)), lambda v, x=x: v == x))
        if typ not in ("boolean", "uuid"):
            filters.append((f"< {x}", e.LessThan(c, literal(x)), lambda v, x=x: v is not None and v < x))
            filters.append((f">= {x}", e.GreaterThanOrEqual(c, literal(x)), lambda v, x=x: v is not None and v >= x))
    for label, expression, holds in filters:
        scan = table.scan(row_filter=expression)
        planned = {t.file.file_path for t in scan.plan_files()}
        pruned += len(planned) < len(rows)
        for path, file in rows:
            if path not in planned and any(holds(value(r)) for r in file):
                wrong.append(f"{table.name()[-1]}: {c} {label} does not read {os.path.basename(path)}, which has such rows")
        if present and label == f">= {present[-1]}":  # one scan that also reads
            want = sum(holds(value(r)) for _, file in rows for r in file)
            if (got := scan.to_arrow().num_rows) != want:
                wrong.append(f"{table.name()[-1]}: {c} {label} gives {got} rows, not {want}")
    return pruned


found = {}
for (_, name) in catalog.list_tables(namespace):
    table = catalog.load_table((namespace, name))
    wrong, pruned = [], {}
    tasks = list(table.scan().plan_files())
    rows = [(t.file.file_path, by_name(table, t)) for t in tasks]
    for task, (path, file) in zip(tasks, rows):
        if task.file.record_count != len(file) or task.file.file_size_in_bytes != os.path.getsize(path.removeprefix("file://")):
            wrong.append(f"{name}: {path} has {len(file)} rows and {os.path.getsize(path.removeprefix('file://'))} bytes, metadata says otherwise")
    partitions = {f.source_id for f in table.spec().fields}
    for field in table.schema().fields:
        if field.field_type.is_primitive and (not partitions or field.field_id in partitions):
            pruned[field.name] = check(table, field, rows, wrong)
    head = table.metadata.current_snapshot()
    found[name] = {
        "rows": [spelled(r) for r in table.scan().to_arrow().to_pylist()],
        "total": int(head.summary["total-records"]) if head else 0,
        "totals": [(int(s.summary["added-records"] or 0), int(s.summary["deleted-records"] or 0), int(s.summary["total-records"])) for s in table.metadata.snapshots],
        "files": sorted(path.removeprefix("file://") for path, _ in rows),
        "spec": [f"{table.schema().find_column_name(f.source_id)} {f.transform}" for f in table.spec().fields],
        "schemas": [ids(s.fields) for s in table.metadata.schemas],
        "pruned": pruned,
        "wrong": wrong,
    }
print(json.dumps(found))
