"""Goal: what deploy/ has is what the server knows: options, routes, metrics, libraries; and its parts fit each other.

Method: the chart is rendered (helm_template.py, and compared with helm where that is installed) and its options, as the
unit's, are read by `kedge serve --print-config`; metrics of alerts and dashboard are looked for in /metrics of a
running server; systemd-analyze, promtool, hadolint and kubernetes-validate judge where they are installed. No image is
built here: the Containerfile's stages, paths and packages are compared with the tree and with what the binary is linked
to.
"""

import errno
import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

import helm_template
import jsonschema
import yaml
from test_serve import KEDGE, ROOT, Server, question

DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "kedge"
RULES = CHART / "files" / "kedge.rules.yml"
DASHBOARD = CHART / "files" / "kedge-dashboard.json"
GUIDE = ROOT / "docs" / "guide" / "serve.md"
KEY = {"name": "team", "hash": "sha256:" + "0123456789abcdef" * 4}
EVERYTHING = {
    "models": ["Qwen/Qwen3-0.6B", "/models/mine"], "replicaCount": 2, "hubTokenSecret": "hub",
    "keys": {"entries": [KEY]}, "tls": {"existingSecret": "certificate"}, "imagePullSecrets": [{"name": "registry"}],
    "persistence": {"models": {"accessMode": "ReadWriteMany"}, "cache": {"enabled": False}},
    "podLabels": {"team": "a"}, "podAnnotations": {"note": "b"}, "extraEnv": [{"name": "A", "value": "b"}],
    "nodeSelector": {"cpu": "amx"}, "tolerations": [{"key": "cpu", "operator": "Exists"}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "serviceAccount": {"annotations": {"a": "b"}}, "service": {"annotations": {"a": "b"}}, "priorityClassName": "high",
    "podDisruptionBudget": {"enabled": True}, "networkPolicy": {"enabled": True, "from": [{"podSelector": {}}]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "authorization": {"secret": "scrape"}},
    "prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}
OPEN = {"keys": {"allowUnauthenticated": True}}


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)


def tool(case: unittest.TestCase, name: str) -> str:
    path = shutil.which(name)
    if path is None:
        case.skipTest(f"{name} is not installed")
    return path


def check_options(case: unittest.TestCase, text: str, without: tuple = ()) -> dict:
    """What `kedge serve` makes of a file of options; `without`: those that name files of the target machine."""
    options = {name: value for name, value in yaml.safe_load(text).items() if name not in without}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(options, file)
        file.flush()
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("KEDGE_", "NIM_"))}
        done = run(KEDGE, "serve", "--config", file.name, "--print-config", "--json", env=environment)
    case.assertEqual(done.returncode, 0, done.stderr)
    printed = json.loads(done.stdout)["options"]
    for name in options:
        case.assertEqual(printed[name]["layer"], "file", name)
    return printed


def known_options() -> set:
    """Names of the options of `kedge serve`, without dashes; `model` is what a file calls MODEL."""
    return {"model", *re.findall(r"--([a-z][a-z-]+)", run(KEDGE, "serve", "--help").stdout)}


class Systemd(unittest.TestCase):
    UNIT = DEPLOY / "systemd" / "kedge.service"

    def setUp(self):
        self.unit = self.UNIT.read_text(encoding="utf-8")
        self.options = (DEPLOY / "systemd" / "serve.yaml").read_text(encoding="utf-8")

    def test_unit(self):
        analyze = tool(self, "systemd-analyze")
        with tempfile.TemporaryDirectory() as folder:
            unit = pathlib.Path(folder, "kedge.service")
            unit.write_text(self.unit.replace("/usr/local/bin/kedge", KEDGE), encoding="utf-8")
            done = run(analyze, "verify", unit)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            # What a service that was broken into could still do: 0 (nothing) to 100.
            done = run(analyze, "security", "--offline=true", "--threshold=25", unit)
            self.assertEqual(done.returncode, 0, done.stdout[-2000:])

    def test_options(self):
        printed = check_options(self, self.options)
        stop = int(re.search(r"^TimeoutStopSec=(\d+)$", self.unit, re.MULTILINE)[1])
        self.assertGreater(stop, int(printed["drain-seconds"]["value"]))

    def test_commented_options_exist(self):
        names = re.findall(r"^# ([a-z-]+): ", self.options, re.MULTILINE)
        self.assertLessEqual(set(names), known_options())


class Containerfile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
        joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", cls.text, flags=re.MULTILINE))
        cls.lines = [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]

    def arguments(self, instruction: str) -> list:
        return [rest for word, rest in self.lines if word == instruction]

    def test_instructions(self):
        known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK",
                 "ENTRYPOINT", "CMD"}
        self.assertLessEqual({word for word, _ in self.lines}, known)
        for word, rest in self.lines:
            if word in ("VOLUME", "ENTRYPOINT", "CMD"):
                self.assertIsInstance(json.loads(rest), list)
        self.assertRegex(self.arguments("USER")[0], r"^[1-9]\d+:[1-9]\d+$")
        self.assertEqual(len(self.arguments("FROM")), 2)

    def test_copied_paths(self):
        ignored = [line.strip("/") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
                   if line.startswith("/")]
        stages = re.findall(r"AS (\w+)$", "\n".join(self.arguments("FROM")), re.MULTILINE)
        for rest in self.arguments("COPY"):
            words = rest.split()
            stage = words[0].removeprefix("--from=") if words[0].startswith("--") else None
            self.assertIn(stage, [None, *stages])
            for path in words[1 if stage else 0:-1]:
                if stage:
                    self.assertTrue(path.startswith("/src/"), path)
                    path = path.removeprefix("/src/")
                if path == "build/release/kedge":
                    continue  # what the build makes
                self.assertTrue((ROOT / path).exists(), path)
                self.assertFalse(any(fnmatch.fnmatch(path, pattern) for pattern in ignored), path)

    def test_commands_of_the_build(self):
        for command in re.findall(r"\./kd [\w -]*\w", self.text):
            done = run(ROOT / "kd", *command.split()[1:], "--help")
            self.assertEqual(done.returncode, 0, command)

    def test_libraries(self):
        tool(self, "dpkg-query")
        libraries = re.findall(r"=> (/\S+)", run("ldd", KEDGE).stdout)
        owners = set()
        for library in libraries:
            names = {library, str(pathlib.Path(library).resolve())}
            names |= {"/usr" + name for name in names} | {name.removeprefix("/usr") for name in names}
            found = run("dpkg-query", "--search", *names).stdout
            self.assertTrue(found, library)
            owners.add(found.split(":")[0])
        present = {"libc6", "libgcc-s1", "libtinfo6", "libbsd0", "libmd0"}  # Debian's base, and what libedit2 needs
        installed = set(self.arguments("RUN")[-1].split())
        self.assertLessEqual(owners - present, installed)

    def test_variables(self):
        names = {name.lower().replace("_", "-") for name in re.findall(r"\bKEDGE_SERVE_(\w+)", self.text)}
        self.assertGreater(len(names), 2)
        self.assertLessEqual(names, known_options())

    def test_health_check(self):
        server = Server()
        self.addCleanup(server.stop)
        command = json.loads(self.arguments("HEALTHCHECK")[0].split("CMD", 1)[1])
        if shutil.which(command[0]) is None:
            self.skipTest(f"{command[0]} is not installed")
        here = [word.replace("http://127.0.0.1:8080", server.url) for word in command]
        self.assertEqual(run(*here).returncode, 0)
        server.stop()
        self.assertNotEqual(run(*here).returncode, 0)

    def test_hadolint(self):
        done = run(tool(self, "hadolint"), "--ignore", "DL3008", DEPLOY / "Containerfile")  # DL3008: pin apt's versions
        self.assertEqual(done.returncode, 0, done.stdout)


class Helm(unittest.TestCase):
    def render(self, values: dict) -> dict:
        """{(kind, name): document}"""
        documents = helm_template.Chart(CHART, values).render()
        by_name = {(document["kind"], document["metadata"]["name"]): document for document in documents}
        self.assertEqual(len(by_name), len(documents))
        return by_name

    def test_schema(self):
        schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
        jsonschema.Draft7Validator.check_schema(schema)
        defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
        self.assertEqual(set(schema["properties"]) - {"global"}, set(defaults))
        for values in ({}, EVERYTHING, OPEN):
            jsonschema.validate(helm_template.merged(defaults, values), schema)
        for wrong in ({"replicas": 2}, {"models": []}, {"options": {"port": 80}}, {"service": {"port": "http"}},
                      {"keys": {"entries": [{"name": "a", "hash": "plain"}]}}, {"drainSeconds": -1}):
            with self.assertRaises(jsonschema.ValidationError, msg=wrong):
                jsonschema.validate(helm_template.merged(defaults, wrong), schema)

    def test_keys_must_be_decided(self):
        with self.assertRaisesRegex(helm_template.ChartError, "keys.entries"):
            self.render({})

    def test_parts_fit(self):
        for values in (EVERYTHING, OPEN):
            documents = self.render(values)
            deployment = documents["Deployment", "test-kedge"]
            pod = deployment["spec"]["template"]
            labels = pod["metadata"]["labels"]
            for kind in ("Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"):
                if (kind, "test-kedge") in documents:
                    spec = documents[kind, "test-kedge"]["spec"]
                    selector = spec.get("podSelector") or spec["selector"]
                    self.assertLessEqual(selector.get("matchLabels", selector).items(), labels.items(), kind)
            self.check_volumes(documents, pod["spec"])
            (container,) = pod["spec"]["containers"]
            grace = pod["spec"]["terminationGracePeriodSeconds"]
            sleep = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
            self.assertGreater(grace, sleep + 300)
            self.assertIn(("ServiceAccount", pod["spec"]["serviceAccountName"]), documents)

    def check_volumes(self, documents: dict, pod: dict) -> None:
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            for mount in container["volumeMounts"]:
                self.assertIn(mount["name"], volumes)
        for volume in volumes.values():
            if "configMap" in volume:
                self.assertIn(("ConfigMap", volume["configMap"]["name"]), documents)
            if "persistentVolumeClaim" in volume:
                self.assertIn(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]), documents)
            if volume["name"] == "keys":
                self.assertIn(("Secret", volume["secret"]["secretName"]), documents)

    def test_options(self):
        for values in (EVERYTHING, OPEN):
            documents = self.render(values)
            text = documents["ConfigMap", "test-kedge"]["data"]["serve.yaml"]
            # The files that these name are in the pod; that the options exist is checked by their names.
            elsewhere = ("api-keys-file", "tls-cert", "tls-key")
            options = yaml.safe_load(text)
            self.assertLessEqual(set(options), known_options())
            check_options(self, text, elsewhere)
            mounts = {mount["mountPath"] for mount in self.container(documents)["volumeMounts"]}
            for name in elsewhere:
                if name in options:
                    self.assertIn(str(pathlib.PurePath(options[name]).parent), mounts)

    def container(self, documents: dict) -> dict:
        return documents["Deployment", "test-kedge"]["spec"]["template"]["spec"]["containers"][0]

    def test_models_of_the_hub_are_pulled(self):
        pod = self.render(EVERYTHING)["Deployment", "test-kedge"]["spec"]["template"]["spec"]
        self.assertEqual([container["args"] for container in pod["initContainers"]], [["pull", "Qwen/Qwen3-0.6B"]])

    def test_keys(self):
        secret = self.render(EVERYTHING)["Secret", "test-kedge-keys"]
        self.assertEqual(yaml.safe_load(secret["stringData"]["keys.yaml"]), [KEY])

    def test_probes_and_metrics_are_routes(self):
        server = Server()
        self.addCleanup(server.stop)
        documents = self.render(EVERYTHING)
        container = self.container(documents)
        paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
        monitor = documents["ServiceMonitor", "test-kedge"]["spec"]["endpoints"][0]
        self.assertEqual(monitor["scheme"], "https")
        for path in paths | {monitor["path"]}:
            with urllib.request.urlopen(server.url + path) as answer:
                self.assertEqual(answer.status, 200)

    def test_rules_and_dashboard_come_along(self):
        documents = self.render(EVERYTHING)
        rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))
        self.assertEqual(documents["PrometheusRule", "test-kedge"]["spec"], rules)
        shown = documents["ConfigMap", "test-kedge-dashboard"]["data"]["kedge-dashboard.json"]
        self.assertEqual(json.loads(shown), json.loads(DASHBOARD.read_text(encoding="utf-8")))

    def test_kubernetes_schemas(self):
        try:
            import kubernetes_validate
        except ImportError:
            self.skipTest("kubernetes-validate is not installed")
        version = kubernetes_validate.latest_version()
        for values in (EVERYTHING, OPEN):
            for document in self.render(values).values():
                if not document["apiVersion"].startswith("monitoring.coreos.com/"):
                    kubernetes_validate.validate(document, version, strict=True)

    def test_helm_renders_the_same(self):
        helm = tool(self, "helm")
        for values in (EVERYTHING, OPEN):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                yaml.safe_dump(values, file)
                file.flush()
                done = run(helm, "lint", "--strict", CHART, "--values", file.name)
                self.assertEqual(done.returncode, 0, done.stdout)
                done = run(helm, "template", "test", CHART, "--values", file.name, "--kube-version", "1.30")
                self.assertEqual(done.returncode, 0, done.stderr)
            theirs = {(document["kind"], document["metadata"]["name"]): document
                      for document in yaml.safe_load_all(done.stdout) if document}
            ours = self.render(values)
            for documents in (ours, theirs):  # of the text, whose spaces may differ
                annotations = documents["Deployment", "test-kedge"]["spec"]["template"]["metadata"]["annotations"]
                self.assertRegex(annotations.pop("checksum/config"), "^[0-9a-f]{64}$")
            self.assertEqual(ours, theirs)


class Monitoring(unittest.TestCase):
    WORDS = {"and", "or", "unless", "by", "on", "sum", "max", "min", "rate", "histogram_quantile", "absent"}

    @classmethod
    def setUpClass(cls):
        server = Server()
        cls.addClassCleanup(server.stop)
        client = server.client()
        client.chat.completions.create(model="demo", messages=question(), max_tokens=20)
        with urllib.request.urlopen(server.url + "/metrics") as answer:
            text = answer.read().decode()
        cls.metrics = {"up": {"job", "instance"}}
        for name, labels in re.findall(r"^([\w:]+)(?:\{(.*)\})? \S+$", text, re.MULTILINE):
            cls.metrics.setdefault(name, {"job", "instance"}).update(re.findall(r'(\w+)="', labels))

    def check_expression(self, expression: str) -> None:
        """Every metric exists, with the labels that it is asked for."""
        for name, matchers in re.findall(r"([a-zA-Z_:][\w:]*)\{(.*?)\}", expression):
            self.assertIn(name, self.metrics, expression)
            for label in re.findall(r"(\w+)\s*(?:=|!)", re.sub(r'"[^"]*"', "", matchers)):
                self.assertIn(label, self.metrics[name], expression)
        bare = re.sub(r'by \([^)]*\)|\{.*?\}|\[.*?\]', " ", expression)
        for name in re.findall(r"[a-zA-Z_:][\w:]*", bare):
            self.assertTrue(name in self.metrics or name in self.WORDS, f"{name} in {expression}")

    def test_rules(self):
        names = []
        for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                self.check_expression(rule["expr"])
                self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
                self.assertIn("summary", rule["annotations"])
                names.append(rule["alert"])
        self.assertEqual(len(names), len(set(names)))
        guide = GUIDE.read_text(encoding="utf-8")
        self.assertEqual(set(re.findall(r"^\| `(Kedge\w+)` \|", guide, re.MULTILINE)), set(names))

    def test_dashboard(self):
        board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
        panels = board["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            for target in panel["targets"]:
                self.check_expression(target["expr"])
        for variable in board["templating"]["list"]:
            for name in re.findall(r"label_values\((\w+)", str(variable["query"])):
                self.assertIn(name, self.metrics)

    def test_promtool(self):
        done = run(tool(self, "promtool"), "check", "rules", RULES)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Guide(unittest.TestCase):
    """The commands of the guide: those that need nothing but this machine are run, in their order, as they are."""

    def setUp(self):
        self.text = GUIDE.read_text(encoding="utf-8")
        blocks = re.findall(r"```sh\n(.*?)```", self.text, re.DOTALL)
        self.lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]

    def test_options_and_files_exist(self):
        known = known_options() | set(re.findall(r"--([a-z-]+)", run(KEDGE, "inspect", "--help").stdout))
        for line in self.lines:
            if line.startswith(("kedge serve", "kedge inspect")):
                options = {word.removeprefix("--").split("=")[0] for word in shlex.split(line) if word.startswith("--")}
                self.assertLessEqual(options, known, line)
        tuning = self.text.split("## Limits and tuning")[1].split("## ")[0]
        self.assertLessEqual(set(re.findall(r"`--([a-z-]+)", tuning.split("Measure with")[0])), known_options())
        for path in re.findall(r"\bdeploy/[\w./-]*\w|\bbench/\w+\.\w+", self.text):
            self.assertTrue((ROOT / path).exists(), path)

    def test_messages_are_the_programs(self):
        """The longest piece of each message that has no values in it stands in the sources."""
        sources = "".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "src").rglob("*.cc")))
        sources = re.sub(r'"\s*\n\s*"', "", sources)
        system = os.strerror(errno.EADDRNOTAVAIL)
        table = self.text.split("## When something is wrong")[1]
        messages = re.findall(r"^\| (?:\d{3} )?`([^`]+)` \|", table, re.MULTILINE)
        self.assertGreater(len(messages), 12)
        for message in messages:
            piece = max(re.split(r"\.\.\.|[\d.:,'()]+", message), key=len).strip()
            self.assertGreater(len(piece), 7, message)
            self.assertTrue(piece in sources or piece in system, message)

    def test_commands(self):
        local = [line for line in self.lines if line.startswith(("kedge ", "printf ")) and "Qwen" not in line]
        self.assertGreater(len(local), 8)
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "bin").mkdir()
            (folder / "bin" / "kedge").symlink_to(pathlib.Path(KEDGE).resolve())
            (folder / "deploy").symlink_to(DEPLOY)
            self.make_certificate(folder)
            for line in local:
                with self.subTest(line):
                    self.run_line(line, folder)
            values = yaml.safe_load((folder / "values.yaml").read_text(encoding="utf-8"))
            schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
            defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
            jsonschema.validate(helm_template.merged(defaults, values), schema)

    def make_certificate(self, folder: pathlib.Path) -> None:
        done = run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                   "-keyout", folder / "server.key", "-out", folder / "server.pem")
        self.assertEqual(done.returncode, 0, done.stderr)

    def run_line(self, line: str, folder: pathlib.Path) -> None:
        environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "KEDGE_SERVE_PORT": "0"}
        with subprocess.Popen(["/bin/sh", "-c", "exec " + line if line.startswith("kedge serve") else line], cwd=folder,
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            output = ""
            for text in process.stdout:
                output += text
                if "is ready" in text and line.startswith("kedge serve"):
                    process.terminate()
        self.assertEqual(process.returncode, 0, output)


if __name__ == "__main__":
    unittest.main()
