"""Tables of other libraries: read through the Arrow PyCapsule protocol, given back as what they were.

No library is imported here before one of its tables comes in.
"""

from typing import Any, Optional

from kedge._kedge import Table


def held(table: Any) -> Any:
    """The table itself, or, where it is of no library that is known here, a pyarrow.Table of it: streams end."""
    if is_known(table) or is_a(table, "pyarrow", "Table"):
        return table
    if hasattr(table, "__arrow_c_stream__") or hasattr(table, "__arrow_c_array__"):
        return arrow().table(table)
    raise TypeError(f"found {type(table).__module__}.{type(table).__qualname__}, expected a table that speaks the "
                    "Arrow PyCapsule protocol (__arrow_c_stream__): of pyarrow, polars, pandas, datasets, ...")


def is_known(table: Any) -> bool:
    kinds = (("polars", "DataFrame"), ("pandas", "DataFrame"), ("datasets", "Dataset"))
    return any(is_a(table, *kind) for kind in kinds)


def stream_of(table: Any) -> object:
    """A capsule with the Arrow stream of a table that is held; nothing is copied."""
    if is_a(table, "datasets", "Dataset"):
        table = table.with_format("arrow")[:]
    if is_a(table, "pandas", "DataFrame") and not hasattr(table, "__arrow_c_stream__"):  # before pandas 2.2
        table = arrow().Table.from_pandas(table)
    return table.__arrow_c_stream__()


def select(table: Any, keep: Table, columns: Table, dropped: str) -> Any:
    """The kept rows of a table that is held, with `columns` (of these rows) set in them and one column taken out."""
    if is_a(table, "polars", "DataFrame"):
        return select_polars(table, keep, columns, dropped)
    if is_a(table, "pandas", "DataFrame"):
        return select_pandas(table, keep, columns, dropped)
    if is_a(table, "datasets", "Dataset"):
        return select_dataset(table, keep, columns, dropped)
    return select_arrow(table, keep, columns, dropped)


def select_dataset(table: Any, keep: Table, columns: Table, dropped: str) -> Any:
    """Columns that stay keep their features: class labels, images, ..."""
    import datasets

    whole = table.with_format("arrow")[:].replace_schema_metadata(None)
    kept = select_arrow(whole, keep, columns, dropped)
    features = datasets.Features.from_arrow_schema(kept.schema)
    stay = {name: table.features[name] for name in kept.column_names
            if name in table.features and name not in columns.column_names}
    return datasets.Dataset(kept, info=datasets.DatasetInfo(features=datasets.Features({**features, **stay})))


def select_arrow(table: Any, keep: Table, columns: Table, dropped: str) -> Any:
    pyarrow = arrow()
    kept = without_views(table).filter(pyarrow.table(keep).column("keep"))
    if dropped and dropped in kept.column_names:
        kept = kept.drop_columns([dropped])
    made = pyarrow.table(columns)
    for name in made.column_names:
        index = kept.schema.get_field_index(name)
        if index < 0:
            kept = kept.append_column(name, made.column(name))
        else:
            kept = kept.set_column(index, name, made.column(name))
    return kept


def without_views(table: Any) -> Any:
    """string_view and binary_view as large_string and large_binary: pyarrow cannot filter them."""
    pyarrow = arrow()
    plain = {pyarrow.string_view(): pyarrow.large_string(), pyarrow.binary_view(): pyarrow.large_binary()}
    if not set(table.schema.types) & set(plain):
        return table
    fields = [field.with_type(plain.get(field.type, field.type)) for field in table.schema]
    return table.cast(pyarrow.schema(fields, table.schema.metadata))


def select_polars(table: Any, keep: Table, columns: Table, dropped: str) -> Any:
    import polars

    kept = table.filter(polars.DataFrame(keep)["keep"].fill_null(False))
    if dropped and dropped in kept.columns:
        kept = kept.drop(dropped)
    return kept.with_columns(polars.DataFrame(columns).get_columns()) if columns.column_names else kept


def select_pandas(table: Any, keep: Table, columns: Table, dropped: str) -> Any:
    pyarrow = arrow()
    mask = pyarrow.table(keep).column("keep").fill_null(False).to_numpy()
    kept = table[mask]
    if dropped and dropped in kept.columns:
        kept = kept.drop(columns=[dropped])
    made = pyarrow.table(columns)
    return kept.assign(**{name: made.column(name).to_pandas().array for name in made.column_names})


def converted(table: Table) -> Any:
    """A pyarrow.Table where pyarrow is there, else the table itself."""
    pyarrow = arrow(required=False)
    return table if pyarrow is None else pyarrow.table(table)


def is_a(table: Any, module: str, name: str) -> bool:
    """Whether it is that class of that library, or one derived from it."""
    return any(base.__name__ == name and base.__module__.split(".")[0] == module for base in type(table).__mro__)


def arrow(required: bool = True) -> Optional[Any]:
    try:
        import pyarrow
    except ImportError:
        if not required:
            return None
        raise ImportError("this kind of table needs pyarrow: pip install pyarrow") from None
    return pyarrow
