"""Operators on tables of documents, and pipelines of them.

Each operator of `kedge curate ops` is a class here, with the options that it has in a pipeline file; made once, it is
called on tables: `kedge.curate.Filter(profile="nemo")(table)`. A table is anything that speaks the Arrow PyCapsule
protocol, with a column `text`, and `id` where there is one; what comes back is of the same library. Decisions, texts
and columns are those of `kedge curate run`.
"""

import inspect
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence, Union

from kedge import _kedge, _tables

__all__ = ["Operator", "Pipeline", "operators", "run", "train_classifier"]


class _OnTables:
    """What operators and pipelines share. Picklable: it is made anew where it arrives."""

    _runner: _kedge.TableRunner
    threads: int

    def __call__(self, table: Any) -> Any:
        """The rows that are kept, with changed texts and new columns in place; a table of the same library.

        Raises ValueError for a table without texts. Rows without text go, as they do in files.
        """
        table = _tables.held(table)
        decisions, columns, _, dropped = self._run(table, details=False)
        return _tables.select(table, decisions, columns, dropped)

    def explain(self, table: Any) -> Any:
        """A row for each row: `keep` (null: no document), `step` and `reason` of what dropped it, `changed`, `details`.

        A pyarrow.Table where pyarrow is installed, else an object that speaks the Arrow PyCapsule protocol.
        """
        return _tables.converted(self._run(_tables.held(table), details=True)[0])

    def _run(self, table: Any, details: bool) -> tuple:
        stream = _tables.stream_of(table)
        with tempfile.TemporaryDirectory(prefix="kedge-") as spill:
            return self._runner.run(stream, self.threads, details, spill)


class Operator(_OnTables):
    """One operator. `fields` names the columns: {"id", "text", "url", "html"}; `threads` 0: one a physical core."""

    name = ""

    def __init__(self, *, fields: Optional[Mapping[str, str]] = None, threads: int = 0, **options: Any) -> None:
        self.options = options
        self.fields = dict(fields or {})
        self.threads = threads
        self._runner = _kedge.TableRunner.operator(self.name, _json(options), _json(self.fields))

    def __reduce__(self) -> tuple:
        return _make, (type(self), {"fields": self.fields, "threads": self.threads, **self.options})

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        return f"kedge.curate.{type(self).__name__}({settings})"


class Pipeline(_OnTables):
    """Operators in a row: a pipeline file, or its content as a dictionary. Called on a table it takes it as the input.

    `name` stands for a dictionary in messages.
    """

    def __init__(self, pipeline: Union[str, os.PathLike, Mapping[str, Any]], *, threads: int = 0) -> None:
        self.pipeline = dict(pipeline) if isinstance(pipeline, Mapping) else os.fspath(pipeline)
        self.threads = threads
        self._runner = _kedge.TableRunner.pipeline(*_pipeline_text(self.pipeline))

    def __reduce__(self) -> tuple:
        return _make, (type(self), {"pipeline": self.pipeline, "threads": self.threads})


def operators() -> list:
    """All operators: `name`, `summary`, `reference` and `options`, as `kedge curate ops --json` prints them."""
    return json.loads(_kedge.describe_operators())


def run(pipeline: Union[str, os.PathLike, Mapping[str, Any]],
        input: Union[str, os.PathLike, Sequence[Union[str, os.PathLike]], None] = None,
        output: Union[str, os.PathLike, None] = None, *, shard: str = "0/1", threads: int = 0, keep_work: bool = False,
        on_progress: Optional[Callable[..., Any]] = None,
        on_reject: Optional[Callable[[str, str], Any]] = None) -> dict:
    """`kedge curate run`: a pipeline (a file, or its content) over files. Returns the report.

    on_progress(share, stage, stages, shard, shards, documents) and on_reject(where, reason) are called as it goes.
    With `shard` "i/n" this is one of n processes; {"complete": False, ...} says that others have to go on first.
    """
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal()):
        raise ValueError(f"shard: found {shard!r}, expected i/n with 0 <= i < n, as 0/8")
    files = _kedge.FileRun.open(*_run_arguments(pipeline, input, output, threads, keep_work))
    return json.loads(files.run(int(part), int(parts), on_progress, on_reject))


def train_classifier(table: Any, output: Union[str, os.PathLike], *, text: str = "text", label: str = "label",
                     **options: Any) -> dict:
    """`kedge curate train-classifier` from a table's columns of texts and labels: a model in fastText's format.

    Options are those of the command: loss, dim, epochs, lr, word_ngrams, minn, maxn, buckets, min_count, seed. Same
    texts give the same bytes. Returns {"in", "rejected", "without_label", "texts", "labels", "words", "tokens",
    "loss"}.
    """
    stream = _tables.stream_of(_tables.held(table))
    return json.loads(_kedge.train_classifier(stream, text, label, os.fspath(output), _json(options)))


def _run_arguments(pipeline: Any, input: Any, output: Any, threads: int, keep_work: bool) -> tuple:
    """What FileRun.open takes."""
    if input is None:
        inputs = None
    else:
        inputs = [os.fspath(each) for each in ([input] if isinstance(input, (str, os.PathLike)) else input)]
    return *_pipeline_text(pipeline), inputs, "" if output is None else os.fspath(output), threads, keep_work


def _make(kind: type, arguments: dict) -> Any:
    return kind(**arguments)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=os.fspath)


def _pipeline_text(pipeline: Any) -> tuple:
    """The text of a pipeline, its name in messages, and the folder where its paths begin."""
    if isinstance(pipeline, Mapping):
        return _json(pipeline), "pipeline", ""
    path = Path(pipeline)
    return path.read_text(encoding="utf-8"), path.name, str(path.parent)


def _class_of(description: dict) -> type:
    """The operator's class, documented by what the registry says of it."""
    name = description["name"]
    lines = [f"{description['summary'][0].upper()}{description['summary'][1:]}.", "",
             f"Reference: {description['reference']}", "", "Options:"]
    lines += [f"    {option['name']} ({option['default'] or 'none'}): {option['meaning']}"
              for option in description["options"]]
    keyword = inspect.Parameter.KEYWORD_ONLY
    names = [*(option["name"] for option in description["options"]), "fields", "threads"]
    signature = inspect.Signature([inspect.Parameter(each, keyword, default=None) for each in names])
    title = "".join(word.capitalize() for word in name.replace("-", "_").split("_"))
    return type(title, (Operator,), {"__doc__": "\n".join(lines), "name": name, "__signature__": signature,
                                     "__module__": __name__})


for _operator in (_class_of(description) for description in operators()):
    globals()[_operator.__name__] = _operator
    __all__.append(_operator.__name__)
