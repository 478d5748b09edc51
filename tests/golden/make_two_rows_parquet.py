#!/usr/bin/env python3
"""Writes two_rows.parquet: text as large strings, zstd, one row without a text. Needs the pyarrow of .arrow."""
from pathlib import Path

import pyarrow
import pyarrow.parquet

TABLE = pyarrow.table({
    "id": pyarrow.array(["a", "b", "c"]),
    "text": pyarrow.array(["one é", None, "two"], pyarrow.large_string()),
    "other": pyarrow.array([1, 2, 3]),
})
pyarrow.parquet.write_table(TABLE, Path(__file__).with_name("two_rows.parquet"), compression="zstd")
