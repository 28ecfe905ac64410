"""How DuckDB spells values in JSON."""

import datetime
import uuid
from decimal import Decimal


def micros(v):
    return (".%06d" % v.microsecond).rstrip("0") if v.microsecond else ""


def spelled(v):
    """The value as DuckDB spells it in JSON."""
    if isinstance(v, datetime.datetime):
        zone = ""
        if v.tzinfo:
            v, zone = v.astimezone(datetime.timezone.utc), "+00"
        return v.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0") + micros(v) + zone
    if isinstance(v, datetime.time):
        return v.strftime("%H:%M:%S") + micros(v)
    if isinstance(v, (datetime.date, Decimal, uuid.UUID)):
        return str(v)
    if isinstance(v, (bytes, bytearray)):
        return "".join(chr(b) if 32 <= b < 127 and chr(b) not in "\\'\"" else "\\x%02X" % b for b in v)
    if isinstance(v, dict):
        return {k: spelled(x) for k, x in v.items()}
    if isinstance(v, list) and v and isinstance(v[0], tuple):  # a map
        return {str(spelled(k)): spelled(x) for k, x in v}
    if isinstance(v, list):
        return [spelled(x) for x in v]
    return v
