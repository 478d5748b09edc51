"""Pipelines on a Ray cluster: shards are the unit of work, and machines share a folder.

Actors hold the operators (models are loaded once an actor) and take shards as they are free. Keys of a deduplication
lie in the output's folder, where one actor links them; nothing but names and numbers goes through Ray. What is written
is what `kedge.curate.run` writes on one machine, to the byte, and a run that was stopped goes on where it stopped.
"""

import json
import os
from collections import deque
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import ray

from kedge import _kedge, curate

_ATTEMPTS = 3  # of one shard, when its actor or node is lost


@ray.remote
class _Worker:
    """The operators of one pipeline, and one shard after another through them."""

    def __init__(self, arguments: tuple) -> None:
        self.run = _kedge.FileRun.open(*arguments)

    def shard(self, stage: int, shard: int) -> list:
        return self.run.run_shard(stage, shard)

    def link(self, stage: int) -> None:
        self.run.link(stage)


def run(pipeline: Union[str, os.PathLike, Mapping[str, Any]],
        input: Union[str, os.PathLike, Sequence[Union[str, os.PathLike]], None] = None,
        output: Union[str, os.PathLike, None] = None, *, workers: Optional[int] = None, cpus: int = 1,
        keep_work: bool = False, on_reject: Optional[Callable[[str, str], Any]] = None) -> dict:
    """`kedge.curate.run` with actors of `cpus` threads each; `workers` of them, or as many as the cluster has room for.

    Ray is connected to before (`ray.init(address="auto")`), or started here. Paths must name the same files on every
    node. Returns the report. Raises what `kedge.curate.run` raises, or RuntimeError when a shard's actor was lost again
    and again.
    """
    if not ray.is_initialized():
        ray.init()
    text, name, folder, inputs, output, *rest = curate._run_arguments(pipeline, input, output, cpus, keep_work)
    folder = os.path.abspath(folder)  # actors are at work elsewhere
    inputs = None if inputs is None else [os.path.abspath(each) for each in inputs]
    output = os.path.abspath(output) if output else ""
    arguments = (text, name, folder, inputs, output, *rest)
    driver = _kedge.FileRun.open(*arguments)
    driver.prepare()
    if not driver.is_finished():
        if workers is None:
            workers = int(ray.cluster_resources().get("CPU", 1)) // cpus
        _Crew(arguments, max(1, min(workers, driver.shards())), cpus).work(driver, on_reject)
    return json.loads(driver.finish())


class _Crew:
    """Actors, and what each of them is doing."""

    def __init__(self, arguments: tuple, size: int, cpus: int) -> None:
        self.arguments, self.cpus = arguments, cpus
        self.idle = [self.new_worker() for _ in range(size)]

    def new_worker(self) -> Any:
        return _Worker.options(num_cpus=self.cpus, scheduling_strategy="SPREAD").remote(self.arguments)

    def work(self, driver: _kedge.FileRun, on_reject: Optional[Callable[[str, str], Any]]) -> None:
        try:
            stages = driver.stages()
            for stage in range(stages):
                self.all_shards(stage, driver.shards(), on_reject)
                if stage + 1 < stages:
                    _value(self.idle[0].link.remote(stage))
        finally:
            for worker in self.idle:
                ray.kill(worker)

    def all_shards(self, stage: int, shards: int, on_reject: Optional[Callable[[str, str], Any]]) -> None:
        """A stage: whoever is free takes the next shard. A lost actor is replaced and its shard done again."""
        waiting = deque((shard, 1) for shard in range(shards))
        busy = {}
        try:
            while waiting or busy:
                while waiting and self.idle:
                    shard, attempt = waiting.popleft()
                    worker = self.idle.pop()
                    busy[worker.shard.remote(stage, shard)] = worker, shard, attempt
                done, _ = ray.wait(list(busy), num_returns=1)
                worker, shard, attempt = busy.pop(done[0])
                try:
                    rejects = _value(done[0])
                except ray.exceptions.RayActorError as lost:
                    if attempt == _ATTEMPTS:
                        raise RuntimeError(f"shard {shard} of stage {stage}: its actor was lost {attempt} times: {lost}"
                                           ) from lost
                    waiting.append((shard, attempt + 1))
                    worker = self.new_worker()
                    rejects = []
                self.idle.append(worker)
                for where, reason in rejects if on_reject else ():
                    on_reject(where, reason)
        finally:
            self.idle.extend(worker for worker, _, _ in busy.values())


def _value(reference: Any) -> Any:
    """What a call returned; what it raised is raised as it was, without Ray's frame around it."""
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
