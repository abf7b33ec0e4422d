"""Checks what compose makes of our files, the list of settings, the image's recipe and the guide."""

import json
import os
import pathlib
import re
import subprocess
import sys

import yaml

from deploy_checks_report import check, finish

SOMA, SCRATCH = sys.argv[1], pathlib.Path(sys.argv[2])
GUIDE = "docs/operations/kafka.md"
# What each of API and consumer sets for itself.
API_ONLY = {
    "SOMA_API_HOST", "SOMA_API_PORT", "SOMA_API_ALLOW_ANONYMOUS", "SOMA_API_TOKEN", "SOMA_API_TOKENS_FILE",
    "SOMA_API_TLS_CERT", "SOMA_API_TLS_KEY", "SOMA_API_CORS_ORIGINS", "SOMA_AUDIT_LOG", "SOMA_URL_CA",
    "SOMA_API_CONNECTIONS_MAX", "SOMA_API_READ_TIMEOUT_SECONDS", "SOMA_RATE_LIMIT_MAX", "SOMA_RATE_LIMIT_WINDOW_SECONDS",
}
DIFFERENT = {"SOMA_URL"}


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def compose(*files, env_file="/dev/null", profile="*"):
    """The services as compose sees them, with a clean environment."""
    words = ["docker-compose", "--env-file", env_file]
    for name in ("docker-compose.yml", *files):
        words += ["-f", name]
    clean = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run([*words, "--profile", profile, "config", "--format", "json"],
                          capture_output=True, text=True, check=False, env=clean)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def settings(text):
    """The names of .env.example, and where the part for compose alone begins."""
    ours, theirs = text.split("# --- What follows is for docker compose alone", 1)
    names = lambda part: re.findall(r"^# ([A-Z][A-Z0-9_]*)=", part, re.M)
    return names(ours), names(theirs)


DEV, OBSERVE = "docker-compose.dev.yml", "docker-compose.observability.yml"
BASE = {"kafka", "kafka-topics", "postgres", "qdrant", "api"}
EXAMPLE = read(".env.example")


@check("compose defines exactly the services of each profile and overlay")
def _():
    cases = [
        ((), "none", BASE), ((), "consumer", BASE | {"somafractalmemory_kube"}),
        ((DEV,), "none", BASE | {"apicurio"}), ((OBSERVE,), "none", BASE | {"prometheus", "grafana"}),
        ((DEV, OBSERVE), "*", BASE | {"somafractalmemory_kube", "apicurio", "prometheus", "grafana"}),
    ]
    for files, profile, expected in cases:
        found = set(compose(*files, profile=profile)["services"])
        assert found == expected, f"{files} {profile}: {found ^ expected}"


@check("every port is published on 127.0.0.1, and the well-known ones are there")
def _():
    published = {}
    for name, service in compose(DEV, OBSERVE)["services"].items():
        for port in service.get("ports", []):
            assert port.get("host_ip") == "127.0.0.1", f"{name} publishes {port}"
            published.setdefault(name, {})[port["published"]] = port["target"]
    expected = {"kafka": {"9092": 29092}, "api": {"9595": 9595}, "somafractalmemory_kube": {"8001": 8001}, "apicurio": {"8081": 8080}}
    for name, ports in expected.items():
        assert published[name] == ports, f"{name}: {published[name]}"


@check("every image has a version, every service a memory limit, and what runs has a health check")
def _():
    for name, service in compose(DEV, OBSERVE)["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert re.match(r"^v?\d+\.\d+", tag), f"{name}: {service['image']}"
        assert int(service["deploy"]["resources"]["limits"]["memory"]) > 0, name
        assert name == "kafka-topics" or (service["healthcheck"]["test"] and service["restart"] == "unless-stopped"), name


@check("whoever depends on a service waits for its health, or for its end")
def _():
    for name, service in compose(DEV, OBSERVE)["services"].items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other == "kafka-topics" else "service_healthy"
            assert how["condition"] == expected, f"{name} on {other}: {how}"
    for name in ("api", "somafractalmemory_kube"):
        waits = set(compose(DEV)["services"][name]["depends_on"])
        assert waits == {"kafka", "kafka-topics", "postgres", "qdrant", "apicurio"}, f"{name}: {waits}"


@check("API and consumer have the same environment but for what each needs alone")
def _():
    for files in ((), (DEV,)):
        services = compose(*files)["services"]
        api, consumer = (services[name]["environment"] for name in ("api", "somafractalmemory_kube"))
        assert set(api) - set(consumer) == API_ONLY and set(consumer) <= set(api), set(api) ^ set(consumer)
        for name in set(consumer) - DIFFERENT:
            assert api[name] == consumer[name], name
    text = read("docker-compose.yml")
    assert len(re.findall(r"^x-soma-environment: &", text, re.M)) == 1 and text.count("*soma-environment") == 2


@check("inside, the addresses are those of the services; the overlay adds the registry")
def _():
    for files, registry in (((), ""), ((DEV,), "http://apicurio:8080/apis/ccompat/v7")):
        for name in ("api", "somafractalmemory_kube"):
            env = compose(*files)["services"][name]["environment"]
            assert env["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092" and env["QDRANT_URL"] == "http://qdrant:6334", env
            assert env["POSTGRES_URL"] == "postgresql://soma:soma@postgres:5432/soma", env
            assert env["SCHEMA_REGISTRY_URL"] == registry, env


@check("the roles run as their commands, read-only, without rights, on volumes that outlive them")
def _():
    whole = compose()
    for name, command in (("api", ["soma", "api"]), ("somafractalmemory_kube", ["soma", "consumer"])):
        service = whole["services"][name]
        assert service["command"] == command and service["read_only"] and service["cap_drop"] == ["ALL"], service
        assert service["healthcheck"]["test"] == ["CMD", "soma", "health"], service
        assert any(v["target"] == "/etc/soma/deploy/certs" and v["read_only"] for v in service["volumes"]), service
    for name, target in (("kafka", "/var/lib/kafka/data"), ("postgres", "/var/lib/postgresql/data"), ("qdrant", "/qdrant/storage"), ("api", "/var/lib/soma")):
        volume = next(v for v in whole["services"][name]["volumes"] if v["target"] == target)
        assert volume["type"] == "volume" and volume["source"] in whole["volumes"], name


@check("the broker keeps the truth: topics are made for it, and none by accident")
def _():
    services = compose()["services"]
    env, script = services["kafka"]["environment"], services["kafka-topics"]["command"][0]
    assert env["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false" and "kafka:9092" in env["KAFKA_ADVERTISED_LISTENERS"], env
    assert "localhost:9092" in env["KAFKA_ADVERTISED_LISTENERS"], env
    topics = services["kafka-topics"]["environment"]
    assert (topics["EVENTS_TOPIC"], topics["DLQ_TOPIC"], topics["PARTITIONS"]) == ("memory.events", "memory.dlq", "3"), topics
    for words in ("kafka-topics.sh", "--if-not-exists", "retention.ms=-1", "cleanup.policy=delete", f"retention.ms={30 * 24 * 3600 * 1000}"):
        assert words in script, words


@check("the binary knows every setting of .env.example, and .env.example every setting of the binary")
def _():
    done = subprocess.run([SOMA, "config", "--json", "--no-env-file"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    known = {setting["name"] for setting in json.loads(done.stdout)["settings"]}
    ours = [name for name in settings(EXAMPLE)[0] if not name.startswith("KAFKA_CONFIG_")]
    assert len(ours) == len(set(ours)), "a name stands there twice"
    lacking, unknown = sorted(known - set(ours)), sorted(set(ours) - known)
    assert not lacking and not unknown, f"not in .env.example: {lacking}; not in the binary: {unknown}"


@check("compose hands every setting of .env.example to API or consumer")
def _():
    services = compose()["services"]
    handed = set(services["api"]["environment"]) | set(services["somafractalmemory_kube"]["environment"])
    lacking = [n for n in settings(EXAMPLE)[0] if n not in handed and not n.startswith("KAFKA_CONFIG_")]
    assert not lacking, lacking
    whole = "".join(read(name) for name in ("docker-compose.yml", DEV, OBSERVE))
    used = set(re.findall(r"\$\{(\w+)", whole)) | {"QDRANT__SERVICE__API_KEY"}
    documented = set(sum(settings(EXAMPLE), []))
    assert used <= documented, f"compose reads {sorted(used - documented)}, .env.example does not say so"
    assert set(settings(EXAMPLE)[1]) <= used, f"nobody reads {sorted(set(settings(EXAMPLE)[1]) - used)}"


@check("one .env serves compose and a local binary")
def _():
    folder = SCRATCH / "checkout"
    folder.mkdir()
    # Files that are not there, and a mechanism that contradicts the protocol.
    skipped = ("_FILE=", "_LOCATION=", "_CERT=", "_KEY=", "_CA=", "SASL", "QDRANT__")
    lines = [line[2:] for line in EXAMPLE.splitlines() if re.match(r"# [A-Z][A-Z0-9_]*=.", line)]
    lines = [line for line in lines if not any(word in line.split("=")[0] + "=" for word in skipped)]
    (folder / ".env").write_text("\n".join(lines).replace("SOMA_API_PORT=9595", "SOMA_API_PORT=9600") + "\n")
    done = subprocess.run([SOMA, "config", "--json"], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    origins = {setting["name"]: (setting["value"], setting["origin"]) for setting in shown["settings"]}
    assert origins["SOMA_API_PORT"] == ("9600", ".env") and not shown["warnings"], shown
    read_here = [name for name in (line.split("=")[0] for line in lines) if name in origins]
    assert len(read_here) > 25 and all(origins[name][1] == ".env" for name in read_here), origins
    assert origins["KAFKA_BOOTSTRAP_SERVERS"][0] == "localhost:9092", origins
    api = compose(env_file=str(folder / ".env"))["services"]["api"]
    assert [p["published"] for p in api["ports"]] == ["9600"] and api["environment"]["SOMA_API_PORT"] == "9595", api
    assert api["environment"]["KAFKA_BOOTSTRAP_SERVERS"] == "kafka:9092" and "@postgres:5432" in api["environment"]["POSTGRES_URL"], api
    assert api["environment"]["SOMA_API_HOST"] == "0.0.0.0" and api["environment"]["EVENTING_ENABLED"] == "true", api


HEALTH = r"""
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(sys.argv[1]) if self.path == sys.argv[2] else 404)
        self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@check("the health checks that speak HTTP by bash tell ready from not ready and from absent")
def _():
    services = compose(DEV)["services"]
    for name, port, path in (("qdrant", 6333, "/readyz"), ("apicurio", 8080, "/apis/ccompat/v7/subjects")):
        test = services[name]["healthcheck"]["test"]
        assert test[0] == "CMD", test
        words = [word.replace("$$", "$") for word in test[1:]]
        assert f"127.0.0.1/{port}" in words[-1], words
        for status, healthy in ((200, True), (503, False)):
            server = subprocess.Popen([sys.executable, "-c", HEALTH, str(status), path], stdout=subprocess.PIPE, text=True)
            try:
                real = server.stdout.readline().strip()
                probe = [*words[:-1], words[-1].replace(f"/{port} ", f"/{real} ")]
                done = subprocess.run(probe, capture_output=True, text=True, timeout=10)
                assert (done.returncode == 0) == healthy, f"{name} at {status}: {done}"
            finally:
                server.kill()
                server.wait()
        assert subprocess.run(probe, capture_output=True, timeout=10).returncode != 0, f"{name} without a server"


@check("the image runs the binary as nobody in particular, asks it for its health, and says what it is")
def _():
    stages = re.split(r"^FROM ", read("Dockerfile"), flags=re.M)
    last = stages[-1]
    for words in ("USER 10001:10001", 'HEALTHCHECK', 'CMD ["soma", "health"]', "ca-certificates", "org.opencontainers.image.licenses", "STOPSIGNAL SIGTERM"):
        assert words in last, words
    assert len(stages) >= 3 and "cargo" not in last.lower() and "cook" in "".join(stages[:-1])
    for image in re.findall(r"^ARG \w+_IMAGE=(.*)$", stages[0], re.M):
        assert re.search(r":\d+\.\d+", image), image
    ignored = read(".dockerignore").splitlines()
    needed = {"Cargo.toml", "Cargo.lock", "crates", "schemas"}
    assert ignored[1] == "*" and needed <= {line[1:] for line in ignored if line.startswith("!")}, ignored


@check("the binary has the commands that image, compose and chart start")
def _():
    roles = [service["command"][1:] for service in compose()["services"].values() if (service.get("command") or [""])[0] == "soma"]
    chart = yaml.safe_load(read("deploy/helm/soma/values.yaml"))["migration"]["args"]
    for words in (*roles, chart, ["up"], ["health"]):
        done = subprocess.run([SOMA, *words, "--help"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"soma {' '.join(words)}: {done.stderr}"


@check("the system libraries that the binary needs are in the image")
def _():
    done = subprocess.run(["ldd", SOMA], capture_output=True, text=True, check=True)
    needed = {line.split()[0].rpartition("/")[2] for line in done.stdout.splitlines() if line.strip()}
    there = {"linux-vdso.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1",
             "libstdc++.so.6", "libpthread.so.0", "libdl.so.2", "librt.so.1"}
    assert needed <= there, needed - there


def blocks(text):
    """The fenced blocks of a document: their mark, their text."""
    return re.findall(r"^ *```([^\n`]+)\n(.*?)^ *```$", text, re.M | re.S)


@check("every command block of the guide is run by a test or says that it needs Docker")
def _():
    guide = blocks(read(GUIDE))
    marks = {mark for mark, _ in guide}
    known = {"sh", "sh docker", "sh kubernetes", "python", "sql", "properties", "text"}
    assert marks <= known, f"unknown marks: {marks - known}"
    assert sum(mark == "sh" for mark, _ in guide) >= 5 and any(mark == "python" for mark, _ in guide), marks
    for mark, text in guide:
        if mark.startswith("sh"):
            done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
            assert done.returncode == 0, f"{done.stderr}\n{text}"
        engine = re.search(r"\b(docker (?!compose)|podman|helm|kubectl|--scale|docker-compose )", text)
        assert mark != "sh" or not engine, f"a tested block needs an engine:\n{text}"


@check("what the guide's blocks for Docker name is there")
def _():
    services = set(compose(DEV, OBSERVE)["services"])
    verbs = {"up", "logs", "stop", "start", "exec", "restart", "ps", "down", "pull", "build", "run"}
    for mark, text in blocks(read(GUIDE)):
        if mark != "sh docker":
            continue
        for line in text.replace("\\\n", " ").splitlines():
            words = line.split()
            for file in re.findall(r"-f (\S+)", line):
                assert pathlib.Path(file).exists(), line
            if "compose" in words:
                rest = words[words.index("compose") + 1:]
                verb = next((w for w in rest if w in verbs), None)
                assert verb, line
                behind = rest[rest.index(verb) + 1:]
                named = [w for w in behind if re.fullmatch(r"[a-z][a-z_-]+", w)][:1 if verb in ("exec", "run") else None]
                unknown = [w for w in named if w not in services]
                assert not unknown, f"{line}: {unknown}"


@check("each alert links to an entry of the guide that is there")
def _():
    headings = re.findall(r"^#+ (.*)$", read(GUIDE), re.M)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for group in yaml.safe_load(read("deploy/prometheus/soma.rules.yml"))["groups"]:
        for rule in group["rules"]:
            page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
            assert page.endswith(GUIDE) and anchor in anchors, f"{rule['alert']}: {anchor}"


finish()
