#!/usr/bin/env python3
"""Measures a `soma` binary from outside, over HTTP, beside bare SQLite commits of the same bytes.

    scripts/measure.py target/release/soma [--memories 100000] [--json]

It starts servers of its own on free ports and in folders that it removes. Every figure is one run on
one machine: compare the ratios, not the milliseconds, between machines. Needs Python 3.9 and Linux.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PAYLOAD_BYTES = 1000


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One `soma up`, and the seconds from starting the process to the first answer."""

    def __init__(self, binary, folder):
        self.port = free_port()
        environment = dict(os.environ, SOMA_API_PORT=str(self.port), CONSUMER_METRICS_PORT=str(free_port()))
        command = [binary, "up", "--no-env-file", "--data-dir", str(folder), "--log", "warn"]
        started = time.perf_counter()
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        while True:
            try:
                if self.client().call("GET", "/readyz")[0] == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None:
                raise SystemExit("soma up ended while starting")
            time.sleep(0.001)
        self.ready_s = time.perf_counter() - started

    def client(self):
        return Client(self.port)

    def resident_mb(self):
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        kib = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "RssAnon"))}
        return int(kib["VmRSS"]) / 1024, int(kib["RssAnon"]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Client:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self, method, path, body=None):
        return self.call_text(method, path, None if body is None else json.dumps(body))

    def call_text(self, method, path, data):
        self.connection.request(method, path, data, {"content-type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text

    def expect(self, status, method, path, body=None):
        return self.expect_text(status, method, path, None if body is None else json.dumps(body))

    def expect_text(self, status, method, path, data):
        got, answer = self.call_text(method, path, data)
        if got != status:
            raise SystemExit(f"{method} {path} answered {got}: {answer}")
        return answer


class Texts:
    """Payloads of about 1 kB from a vocabulary with Zipf's frequencies."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        letters = "abcdefghijklmnopqrstuvwxyz"
        words = random.Random(1)
        self.words = ["".join(words.choices(letters, k=words.randint(3, 9))) for _ in range(50_000)]
        weight = 0.0
        self.weights = [weight := weight + 1 / (rank + 1) for rank in range(len(self.words))]

    def some(self, count):
        return " ".join(self.random.choices(self.words, cum_weights=self.weights, k=count))

    def payload(self):
        return {"text": self.some(170)[: PAYLOAD_BYTES - 12]}


def quantile(values, q):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def spread(seconds):
    return {"p50_ms": round(quantile(seconds, 0.5) * 1e3, 2), "p95_ms": round(quantile(seconds, 0.95) * 1e3, 2)}


def timed(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def bare_commits(folder):
    database = sqlite3.connect(Path(folder) / "bare.db", isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (v BLOB);")
    value = os.urandom(PAYLOAD_BYTES)
    return lambda: database.execute("INSERT INTO t VALUES (?)", (value,))


def measure_start(binary, runs=9):
    ready = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(binary, folder)
            ready.append(server.ready_s)
            server.stop()
    return {"median_ms": round(statistics.median(ready) * 1e3), "max_ms": round(max(ready) * 1e3)}


def measure_one_client(server, texts, folder, writes=600):
    client, bare = server.client(), bare_commits(folder)
    ours, commits, ping = [], [], []
    for _ in range(writes):
        body = {"payload": texts.payload()}
        ours.append(timed(lambda body=body: client.expect(201, "POST", "/v1/memories", body)))
        commits.append(timed(bare))
        ping.append(timed(lambda: client.expect(200, "GET", "/livez")))
    ratio = quantile(ours, 0.5) / quantile(commits, 0.5)
    return {"write": spread(ours), "bare_sqlite_commit": spread(commits), "bare_http_get": spread(ping), "p50_ratio": round(ratio, 2)}


def measure_clients(server, texts, clients=64, seconds=4.0):
    """Each client is a process of its own, so that the measuring does not wait for one interpreter."""
    bodies = [json.dumps({"payload": texts.payload()}) for _ in range(20)]
    ready, counts = multiprocessing.Barrier(clients + 1), multiprocessing.Queue()

    def work():
        client, count = server.client(), 0
        ready.wait()
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            client.expect_text(201, "POST", "/v1/memories", bodies[count % len(bodies)])
            count += 1
        counts.put(count)

    processes = [multiprocessing.get_context("fork").Process(target=work) for _ in range(clients)]
    for process in processes:
        process.start()
    ready.wait()
    took = timed(lambda: [process.join() for process in processes])
    return {"clients": clients, "writes_per_s": round(sum(counts.get() for _ in processes) / took)}


def measure_write_then_read(server, texts, runs=300):
    client, took = server.client(), []
    for _ in range(runs):
        body = {"payload": texts.payload()}

        def both(body=body):
            answer = client.expect(201, "POST", "/v1/memories", body)
            client.expect(200, "GET", f"/v1/memories/{answer['id']}?after={answer['position']}")

        took.append(timed(both))
    return spread(took)


def fill(server, texts, count):
    """Batches of 1000; the events accepted per second, and those in both stores per second."""
    client, position, accepting = server.client(), None, 0.0
    start = time.perf_counter()
    for _ in range(count // 1000):
        data = json.dumps([{"payload": texts.payload()} for _ in range(1000)])
        sent = time.perf_counter()
        position = client.expect_text(200, "POST", "/v1/memories/batch", data)["position"]
        accepting += time.perf_counter() - sent
    while client.call("GET", f"/v1/memories?limit=1&wait_ms=30000&after={position}")[0] != 200:
        pass
    stored = time.perf_counter() - start
    return {"events": count, "accepted_per_s": round(count / accepting), "stored_per_s": round(count / stored)}


def measure_recall(server, texts, runs=300):
    client, took = server.client(), []
    for _ in range(runs):
        body = {"query": texts.some(8), "top_k": 10}
        took.append(timed(lambda body=body: client.expect(200, "POST", "/v1/recall", body)))
    return spread(took)


def folder_bytes(folder):
    return sum(path.stat().st_blocks * 512 for path in Path(folder).rglob("*") if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--memories", type=int, default=100_000, help="the largest store that recall is measured on")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end only")
    options = parser.parse_args()
    figures = {}

    def say(name, value):
        figures[name] = value
        if not options.json:
            print(f"{name:32} {json.dumps(value)}", flush=True)

    say("machine", {"cpus": os.cpu_count(), "load_average": os.getloadavg()[0]})
    say("start_on_an_empty_folder", measure_start(options.binary))
    folder = tempfile.mkdtemp()
    try:
        server, texts = Server(options.binary, folder), Texts(7)
        say("resident_idle_mb", round(server.resident_mb()[0], 1))
        say("one_client", measure_one_client(server, texts, folder))
        say("write_then_read", measure_write_then_read(server, texts))
        say("many_clients", measure_clients(server, texts))
        size = 0
        for target in (10_000, options.memories):
            if target > size:
                say(f"batches_of_1000_to_{target}", fill(server, texts, target - size))
                size = target
                say(f"recall_at_{target}", measure_recall(server, texts))
                say(f"write_then_read_at_{target}", measure_write_then_read(server, texts, 100))
        resident, anonymous = server.resident_mb()
        say("resident_full_mb", {"all": round(resident), "anonymous": round(anonymous)})
        stats = server.client().expect(200, "GET", "/v1/stats")
        server.stop()
        say("disk_bytes_per_memory", round(folder_bytes(folder) / stats["memories"]))
        server = Server(options.binary, folder)
        say("restart_ms", round(server.ready_s * 1e3))
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
