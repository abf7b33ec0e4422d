"""Holds alerts, dashboard and chart against the metrics of the real binary, through a real Prometheus: one
`soma up` plays API and consumer, is asked a few things, and every query is evaluated on what it counted."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy_checks_report import check, finish

SOMA, SCRATCH = sys.argv[1], pathlib.Path(sys.argv[2])
DASHBOARD = json.loads(pathlib.Path("deploy/grafana/soma.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load(pathlib.Path("deploy/prometheus/soma.rules.yml").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
ALERTS = [(rule["alert"], rule["expr"]) for group in RULES["groups"] for rule in group["rules"]]
# The names that the outside depends on.
CONTRACT = """
consumer_messages_consumed_total consumer_process_success_total consumer_process_failure_total consumer_processing_latency_seconds
consumer_lag_messages consumer_lag_seconds consumer_log_retention_seconds consumer_end_to_end_latency_seconds consumer_batch_events consumer_retries_total consumer_dead_letters_total
consumer_duplicates_total consumer_stale_total consumer_paused consumer_rebalances_total consumer_embeddings_replaced_total
api_requests_total api_request_latency_seconds soma_build_info
""".split()
OURS = re.compile(r"\b((?:consumer|api|soma|process)_[a-z_]+)\b(?!\s*=)")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


API, METRICS, PROMETHEUS = free_ports(3)


def call(port, path, body=None, **parameters):
    """Status and text of one request."""
    query = "?" + urllib.parse.urlencode(parameters, doseq=True) if parameters else ""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}{query}", data=data)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def until(what, holds, seconds=120):
    """Asks until it holds, bounded."""
    end = time.monotonic() + seconds
    while True:
        try:
            if value := holds():
                return value
        except OSError:
            pass
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def start(name, *words, **environment):
    log = (SCRATCH / f"{name}.log").open("w")
    return subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment})


def families(text):
    """The sample names that an exposition may hold, by its TYPE lines."""
    names = {}
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", text, re.M):
        endings = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names.update({name + ending: kind for ending in endings})
    return names


def query(expression):
    status, text = call(PROMETHEUS, "/api/v1/query", query=expression.replace("$__rate_interval", "1m"))
    answer = json.loads(text)
    assert status == 200 and answer["status"] == "success", f"{expression}: {text}"
    return answer["data"]["result"]


def serve():
    """Starts both, and gives both something to count."""
    processes.append(start("soma", SOMA, "up", "--no-env-file", "--port", str(API), "--metrics-port", str(METRICS),
                           SOMA_DATA_DIR=str(SCRATCH / "soma-data")))
    until("soma is ready", lambda: call(API, "/readyz")[0] == 200)
    rules = pathlib.Path("deploy/prometheus/soma.rules.yml").resolve()
    scrape = [{"job_name": f"soma-{job}", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
              for job, port in (("api", API), ("consumer", METRICS))]
    (SCRATCH / "scrape.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(rules)], "scrape_configs": scrape}))
    processes.append(start("prometheus", "prometheus", f"--config.file={SCRATCH}/scrape.yml", f"--storage.tsdb.path={SCRATCH}/tsdb",
                           f"--web.listen-address=127.0.0.1:{PROMETHEUS}"))
    until("prometheus is ready", lambda: call(PROMETHEUS, "/-/ready")[0] == 200)

    def busy():
        text = json.dumps({"text": f"the lamp is in the attic {time.monotonic()}"})
        call(API, "/v1/memories?wait=stored", {"namespace": "demo", "payload": json.loads(text)})
        call(API, "/v1/recall", {"namespace": "demo", "query": "where is the lamp?"})
        call(API, "/v1/memories", {"namespace": "demo"})
        seen = query("rate(consumer_messages_consumed_total[1m]) > 0")
        return seen and len(query("rate(api_requests_total[1m]) > 0")) >= 2

    until("prometheus has scraped both twice", busy)


processes = []
try:

    @check("the dashboard loads")
    def _():
        loaded = Dashboard.from_json(DASHBOARD)
        assert loaded.uid == "soma-overview" and len(loaded.panels) == len(DASHBOARD["panels"])
        ids = [panel["id"] for panel in DASHBOARD["panels"]]
        assert len(set(ids)) == len(ids), "two panels share an id"
        taken = set()
        for panel in DASHBOARD["panels"]:
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24, panel["title"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not cells & taken, f"{panel['title']} lies on another panel"
            taken |= cells
        assert all(p["datasource"]["uid"] == "${datasource}" and p["targets"] for p in PANELS)

    @check("the dashboard shows what the person on call asks for")
    def _():
        shown = " ".join(expression for _, expression in QUERIES)
        for name in ("consumer_messages_consumed_total", "consumer_end_to_end_latency_seconds", "consumer_lag_messages",
                     "consumer_process_failure_total", "consumer_dead_letters_total", "consumer_paused",
                     "api_requests_total", "api_request_latency_seconds"):
            assert name in shown, name

    @check("soma and prometheus start, and the one scrapes the other")
    def _():
        serve()

    @check("every metric that the dashboard and the alerts name is in /metrics of the binary")
    def _():
        there = set()
        for port in (API, METRICS):
            status, text = call(port, "/metrics")
            assert status == 200, text
            there |= set(families(text))
        named = {name for _, expression in QUERIES + ALERTS for name in OURS.findall(expression)}
        assert len(named) >= 12 and named <= there, f"not in the binary: {sorted(named - there)}"

    @check("every metric of the contract is in /metrics of the binary")
    def _():
        there = families(call(METRICS, "/metrics")[1])
        lacking = [name for name in CONTRACT if name not in there and f"{name}_bucket" not in there]
        assert not lacking, lacking
        assert any(name.startswith("process_") for name in there), "there is no process_*"

    @check("prometheus evaluates every query of the dashboard, on labels that the metrics have")
    def _():
        for title, expression in QUERIES:
            query(expression)
            for name in set(OURS.findall(expression)):
                series = query(f"{{__name__='{name}'}}")
                grouped = {l.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for l in group.split(",")}
                quiet = "consumer_dead_letters_total consumer_lag_messages".split()
                assert series or name in quiet, f"{title}: {name} has no series"
                have = set(series[0]["metric"]) if series else grouped
                assert grouped <= have, f"{title}: {name} has no {sorted(grouped - have)}"

    @check("prometheus evaluates every alert, and none fires on a system that works")
    def _():
        def rules():
            groups = json.loads(call(PROMETHEUS, "/api/v1/rules")[1])["data"]["groups"]
            found = [rule for group in groups for rule in group["rules"]]
            return found if len(found) == len(ALERTS) and all(r["health"] == "ok" for r in found) else None

        firing = [rule["name"] for rule in until("all alerts are evaluated", rules) if rule["state"] == "firing"]
        assert not firing, firing

    @check("the chart carries the same alerts and dashboard, and its monitors select its services")
    def _():
        documents = [d for d in yaml.safe_load_all((SCRATCH / "full.yaml").read_text()) if d]
        of = lambda kind: [d for d in documents if d["kind"] == kind]
        assert of("PrometheusRule")[0]["spec"] == RULES
        carried = [d for d in of("ConfigMap") if "soma.json" in d["data"]]
        assert json.loads(carried[0]["data"]["soma.json"]) == DASHBOARD
        jobs = set()
        for monitor in of("ServiceMonitor"):
            selector, endpoint = monitor["spec"]["selector"]["matchLabels"], monitor["spec"]["endpoints"][0]
            services = [s for s in of("Service") if selector.items() <= s["metadata"]["labels"].items()]
            assert len(services) == 1 and endpoint["port"] in [p["name"] for p in services[0]["spec"]["ports"]], monitor
            jobs |= {r["replacement"] for r in endpoint["relabelings"] if r["targetLabel"] == "job"}
        selected = set(re.findall(r'job="([^"]*)"', json.dumps(RULES).replace('\\"', '"')))
        assert jobs == selected == {"soma-api", "soma-consumer"}, (jobs, selected)

    @check("API and consumer of the chart share their settings, and no secret stands in a manifest")
    def _():
        documents = [d for d in yaml.safe_load_all((SCRATCH / "full.yaml").read_text()) if d]
        pods = {d["metadata"]["name"]: d["spec"]["template"]["spec"] for d in documents if d["kind"] == "Deployment"}
        assert len(pods) == 2
        for name, pod in pods.items():
            container = pod["containers"][0]
            assert container["envFrom"] == [{"configMapRef": {"name": "demo-soma-settings"}}], name
            plain = {e["name"] for e in container["env"] if "value" in e}
            assert not [n for n in plain if re.search("PASSWORD|TOKEN|SECRET|KEY|URL", n)], plain
            paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
            assert paths == {"/livez", "/readyz"} and container["securityContext"]["readOnlyRootFilesystem"], name
            port = {p["name"] for p in container["ports"]}
            assert container["readinessProbe"]["httpGet"]["port"] in port, name

finally:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
finish()
