"""kedge.curate.ray.run on a cluster of two nodes writes what one machine writes, also when it was stopped before.

Method: a local cluster of Ray's own, two nodes of one CPU each, started once; every file that a run leaves is compared
byte by byte with the command line's.
"""

import os
import unittest
import warnings

os.environ.update(RAY_AUTH_MODE="disabled", RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
                  RAY_DISABLE_IMPORT_WARNING="1", PYTHONWARNINGS="ignore",
                  PYTHONPATH=os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")]))

import pyarrow as pa  # noqa: E402
import ray  # noqa: E402
import ray.cluster_utils  # noqa: E402
import ray.data  # noqa: E402
from module_case import ModuleCase, documents, files_of, guide_blocks  # noqa: E402

import kedge.curate.ray  # noqa: E402
from kedge import curate  # noqa: E402

STORE_BYTES = 80 << 20
STEPS = [{"clean": {"ops": ["mojibake", "newlines"]}}, {"filter": {"profile": "nemo", "only": ["word_count"]}},
         {"dedup": {"method": "fuzzy"}}, "language", {"dedup": {"method": "substring", "length": 60}},
         {"pii": {"action": "mask"}}]


class OnRay(ModuleCase):
    @classmethod
    def setUpClass(cls):
        warnings.simplefilter("ignore")
        cls.cluster = ray.cluster_utils.Cluster(initialize_head=True, head_node_args={
            "num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False})
        cls.addClassCleanup(cls.cluster.shutdown)
        cls.cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
        cls.cluster.wait_for_nodes()
        ray.init(address=cls.cluster.address, log_to_driver=False, logging_level="ERROR")
        cls.addClassCleanup(ray.shutdown)

    def parts(self) -> list:
        return [self.write(f"part-{i}.jsonl", documents(150, seed=i)) for i in range(5)]

    def test_two_nodes_write_what_one_machine_writes(self):
        self.assertEqual(len([node for node in ray.nodes() if node["Alive"]]), 2)
        parts = self.parts()
        with open(parts[1], "a", encoding="utf-8") as file:
            file.write("not JSON\n")
        expected = files_of(self.command({"steps": STEPS}, *parts))
        rejects = []
        report = kedge.curate.ray.run({"steps": STEPS}, parts, self.folder / "out",
                                      on_reject=lambda where, _: rejects.append(where))
        self.assertEqual(files_of(self.folder / "out"), expected)
        self.assertEqual(report["counts"]["in"], 751)
        self.assertEqual(rejects, [f"{parts[1]}: line 151"])
        again = kedge.curate.ray.run({"steps": STEPS}, parts, self.folder / "out")  # there is nothing left to do
        self.assertEqual(again, report)
        self.check_goes_on(parts, expected)

    def check_goes_on(self, parts: list, expected: dict) -> None:
        """A run of which some is done: one part of a run by another process, a half-written file and a damaged one."""
        out = self.folder / "half"
        told = curate.run({"steps": STEPS}, parts, out, shard="1/3")
        self.assertFalse(told["complete"])
        (out / "work" / "stage-0" / "shard-00000.jsonl.zst.tmp-abc").write_bytes(b"torn")
        done = out / "work" / "stage-0" / "shard-00004.jsonl.zst"
        done.write_bytes(b"\0" * done.stat().st_size)
        kedge.curate.ray.run({"steps": STEPS}, parts, out, workers=2)
        self.assertEqual(files_of(out), expected)
        self.assertEqual([path for path in out.rglob("*") if ".tmp-" in path.name], [])

    def test_a_lost_actor_is_replaced(self):
        parts = self.parts()
        expected = files_of(self.command({"steps": STEPS}, *parts))
        crew = kedge.curate.ray._Crew
        lost = []

        class Unlucky(crew):
            def new_worker(self):
                worker = super().new_worker()
                if not lost:
                    lost.append(worker)
                    ray.kill(worker)
                return worker

        kedge.curate.ray._Crew = Unlucky
        try:
            kedge.curate.ray.run({"steps": STEPS}, parts, self.folder / "out", workers=1)
        finally:
            kedge.curate.ray._Crew = crew
        self.assertEqual(len(lost), 1)
        self.assertEqual(files_of(self.folder / "out"), expected)

    def test_mistakes_are_raised_as_they_are(self):
        parts = self.parts()
        with self.assertRaisesRegex(ValueError, "pii.shape: no such setting"):
            kedge.curate.ray.run({"steps": [{"pii": {"shape": 1}}]}, parts, self.folder / "a")
        broken = self.folder / "b.jsonl"
        broken.write_text("no JSON\n", encoding="utf-8")
        with self.assertRaisesRegex(ValueError, "nothing could be read"):
            kedge.curate.ray.run({"steps": ["pii"]}, broken, self.folder / "b")
        curate.run({"steps": ["language"]}, parts[:1], self.folder / "c")
        with self.assertRaisesRegex(ValueError, "holds another run"):
            kedge.curate.ray.run({"steps": ["pii"]}, parts[:1], self.folder / "c")

    def test_the_guide_runs_as_written(self):
        (self.folder / "documents").mkdir()
        self.write("documents/a.jsonl", documents(50))
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        names = {"steps": {"format": "jsonl", "steps": ["language", {"dedup": {"method": "exact"}}]}}
        exec(compile(guide_blocks()[2], "python.md", "exec"), names)
        self.assertEqual(names["report"]["counts"]["in"], 50)
        self.assertTrue((self.folder / "out-of-ray" / "report.html").is_file())

    def test_operators_in_actors_of_ray_data(self):
        rows = documents(300)
        whole = ray.data.from_arrow([pa.Table.from_pylist(rows[:150]), pa.Table.from_pylist(rows[150:])])
        found = whole.map_batches(curate.Pii, fn_constructor_kwargs={"action": "mask"}, batch_format="pyarrow",
                                  compute=ray.data.ActorPoolStrategy(size=1), zero_copy_batch=True)
        expected = curate.Pii(action="mask")(pa.Table.from_pylist(rows)).to_pylist()
        self.assertEqual(sorted(found.take_all(), key=lambda row: row["number"]), expected)


if __name__ == "__main__":
    unittest.main()
