"""kedge for Python: the operators of `kedge curate` on Arrow tables, pipelines on files, and on a Ray cluster."""

from kedge import curate
from kedge._kedge import __version__

__all__ = ["__version__", "curate"]
