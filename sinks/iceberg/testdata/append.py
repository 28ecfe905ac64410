"""Appends one row with the given id to a table, as another program would."""

import os
import sys
import urllib.parse

import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

warehouse, namespace, name, number = sys.argv[1:]
catalog = SqlCatalog("lakeflow", uri="sqlite:///" + urllib.parse.quote(os.path.join(warehouse, "catalog.db")), warehouse="file://" + warehouse)
table = catalog.load_table((namespace, name))
schema = table.schema().as_arrow()
table.append(pa.Table.from_pylist([{"id": int(number)}], schema=schema))
