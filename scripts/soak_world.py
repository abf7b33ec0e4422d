"""What the fault runs of `scripts/soak.py` stand on: real servers, real processes, and how they are broken."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

START_SECONDS = 90
STEP_SECONDS = 0.2


def free_ports(count):
    """Ports that nobody listens on at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(what, seconds, condition):
    """Waits for a condition; what it answers with, or an error that says what did not happen."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(STEP_SECONDS)


class Services:
    """Kafka and PostgreSQL of their own, in a folder and on ports of their own."""

    def __init__(self, manager, folder):
        self.manager = str(manager)
        names = ["SOMA_KAFKA_PORT", "SOMA_KAFKA_SSL_PORT", "SOMA_KAFKA_SASL_SSL_PORT", "SOMA_KAFKA_SASL_PLAINTEXT_PORT"]
        names += ["SOMA_KAFKA_CONTROLLER_PORT", "SOMA_POSTGRES_PORT"]
        ports = dict(zip(names, map(str, free_ports(len(names)))))
        self.environment = {**os.environ, **ports, "SOMA_SERVICES_DIR": str(folder), "SOMA_KAFKA_AUTO_CREATE_TOPICS": "false"}
        self.exported = self.run("up")

    def run(self, verb, *names):
        """One verb; the variables that it exports."""
        names = names or ("kafka", "postgres")
        done = subprocess.run([self.manager, verb, *names], env=self.environment, capture_output=True, text=True, timeout=240)
        if done.returncode != 0:
            raise RuntimeError(f"services {verb} {names}: {done.stderr[-2000:]}")
        lines = [line.removeprefix("export ") for line in done.stdout.splitlines() if line.startswith("export ")]
        return {name: value.strip("'\"") for name, _, value in (line.partition("=") for line in lines)}


class Process:
    """One process and its log."""

    def __init__(self, command, environment, log):
        self.command, self.environment, self.log = command, environment, Path(log)
        self.process = None
        self.start()

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL, and gone."""
        self.process.kill()
        self.process.wait()

    def again(self):
        """SIGKILL and a new start."""
        self.kill()
        self.start()

    def end(self):
        """SIGTERM; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.command[1]} did not end within 30 s of SIGTERM") from None

    def text(self):
        return self.log.read_text(errors="replace")


class Cluster:
    """The system as operators run it: one API, some consumers, and what they stand on."""

    def __init__(self, soma, stand_in, manager, folder, consumers):
        self.folder, self.soma = Path(folder), str(soma)
        self.services = Services(manager, self.folder / "services")
        self.api_port, self.qdrant_port, *self.metrics_ports = free_ports(2 + consumers)
        (self.folder / "qdrant").mkdir()
        self.qdrant = Process(
            [str(stand_in), "--port", str(self.qdrant_port), "--dir", str(self.folder / "qdrant")],
            os.environ.copy(),
            self.folder / "qdrant.log",
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "SOMA_DATA_DIR": str(self.folder / "data"),
            "KAFKA_BOOTSTRAP_SERVERS": self.services.exported["KAFKA_BOOTSTRAP_SERVERS"],
            "POSTGRES_URL": self.services.exported["POSTGRES_URL"],
            "QDRANT_URL": f"http://127.0.0.1:{self.qdrant_port}",
            "SOMA_API_PORT": str(self.api_port),
            "SOMA_LOG_FORMAT": "json",
            "SOMA_LOG": os.environ.get("SOMA_LOG", "info"),
        }
        self.url = f"http://127.0.0.1:{self.api_port}"
        self.api = self.role("api", {}, "api.log")
        self.consumers = [
            self.role("consumer", self.own(number, port), f"consumer-{number}.log")
            for number, port in enumerate(self.metrics_ports)
        ]

    def own(self, number, port):
        """What each consumer has for itself: its port, and the name of its sessions in PostgreSQL."""
        url = self.environment["POSTGRES_URL"]
        url += ("&" if "?" in url else "?") + f"application_name=soma-consumer-{number}"
        return {"CONSUMER_METRICS_PORT": str(port), "POSTGRES_URL": url}

    def sql(self, statement):
        """Rows of a statement, each a list of texts."""
        command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "--field-separator", "|", "--command", statement]
        done = subprocess.run([*command, self.environment["POSTGRES_URL"]], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines() if line]

    def positions(self):
        """How far each partition is projected, and how often it was taken: by its number."""
        rows = self.sql("SELECT partition, next, epoch FROM positions WHERE projector = 'memory'")
        return {int(partition): (int(next), int(epoch)) for partition, next, epoch in rows}

    def owned(self, number):
        """The partitions that a consumer works on."""
        text = self.ask(number, "/metrics")[1]
        return {int(partition) for partition in re.findall(r'^consumer_lag_messages\{.*partition="(\d+)"', text, re.M)}

    def ask(self, number, path):
        """Status and text of a page of a consumer's own port; 0 when it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_ports[number]}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def role(self, name, more, log):
        return Process([self.soma, name, "--no-env-file"], {**self.environment, **more}, self.folder / log)

    def command(self, *words, timeout=300):
        """One command of `soma` against the API; its exit code and its JSON."""
        command = [self.soma, *words, "--json", "--no-env-file", "--url", self.url]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=timeout)
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {"error": done.stderr}

    def call(self, method, target, body=None, headers=None, timeout=15):
        """Status and JSON of one request; status 0 when there was no answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + target, data=data, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"{}")
        except (OSError, ValueError):
            return 0, {}

    def ready(self):
        """Waits until the API answers and every partition has an owner."""
        until("the API is ready", START_SECONDS, lambda: self.call("GET", "/readyz")[0] == 200)

    def lag(self):
        """How many records are not yet projected; none while that cannot be told."""
        status, answer = self.call("GET", "/v1/status")
        if status != 200:
            return None
        return sum(partition["lag"] or 0 for partition in answer["partitions"])

    def caught_up(self, seconds):
        until("all that the log holds is projected", seconds, lambda: self.lag() == 0)

    def started(self, consumer):
        """Whether a consumer has all that it needs and does its work; its start cannot be called off in order."""
        return self.ask(self.consumers.index(consumer), "/readyz")[0] == 200

    def close(self):
        for process in [self.api, *self.consumers, self.qdrant]:
            if process.process.poll() is None:
                process.signal(signal.SIGCONT)
                process.kill()
        self.services.run("down")


class Pulses:
    """Asks every consumer all the time whether its loops move."""

    def __init__(self, cluster):
        self.cluster, self.red, self.longest, self.answers = cluster, [], {}, 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.wait(1):
            for number in range(len(self.cluster.consumers)):
                status, text = self.cluster.ask(number, "/livez")
                if status == 0:
                    continue
                self.answers += 1
                if status != 200:
                    self.red.append((number, status, text))
                for name, seconds in json.loads(text)["still_seconds"].items():
                    name = re.sub(r"\d+", "N", name)
                    self.longest[name] = max(self.longest.get(name, 0), seconds)

    def end(self):
        self.stop.set()
        self.thread.join()
        assert not self.red, f"an outage turned a consumer's liveness red: {self.red[:3]}"
        assert self.answers, "no consumer was ever asked"


class Writers:
    """Clients that write until they are told to stop, and remember what was acknowledged.

    Every write has an idempotency key and is repeated until it is acknowledged, so at the end it is known
    of each memory what its last write was.
    """

    def __init__(self, cluster, count, seed):
        self.cluster, self.seed = cluster, seed
        self.stop = threading.Event()
        self.state = [{} for _ in range(count)]
        self.acknowledged = [0] * count
        self.refused = []
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        import random

        chance = random.Random(f"{self.seed}-{number}")
        mine = self.state[number]
        step = 0
        while not self.stop.is_set():
            step += 1
            live = [key for key, value in mine.items() if value is not None]
            roll = chance.random()
            text = f"writer {number} step {step} says {chance.choice(['amber', 'basalt', 'cedar', 'delta', 'ember'])}"
            payload = {"text": text, "actor": f"writer{number}", "step": step}
            if roll < 0.3:
                # Turns of threads that all writers share, through whatever partition their ids fall into.
                payload |= {"thread": f"talk {chance.randrange(4)}", "seq": chance.randrange(10_000)}
            if roll < 0.6 or not live:
                answer = self.insist("POST", "/v1/memories", {"namespace": "soak", "payload": payload}, f"{number}-{step}")
                mine[answer["id"]] = payload
            elif roll < 0.85:
                key = chance.choice(live)
                self.insist("PUT", f"/v1/memories/{key}?namespace=soak", {"payload": payload}, f"{number}-{step}")
                mine[key] = payload
            else:
                key = chance.choice(live)
                self.insist("DELETE", f"/v1/memories/{key}?namespace=soak", None, f"{number}-{step}")
                mine[key] = None
            self.acknowledged[number] += 1

    def insist(self, method, target, body, key):
        """Repeats a write until it is acknowledged; one that is refused for good is remembered."""
        headers = {"Idempotency-Key": key, "content-type": "application/json"}
        while True:
            status, answer = self.cluster.call(method, target, body, headers)
            if status in (200, 201):
                return answer
            if status not in (0, 408, 429, 500, 502, 503, 504, 507):
                self.refused.append((method, target, status, answer))
                raise AssertionError(f"{method} {target} was refused: {status} {answer}")
            time.sleep(STEP_SECONDS)

    def end(self, seconds):
        """Lets every writer finish the write in hand."""
        self.stop.set()
        for thread in self.threads:
            thread.join(seconds)
        assert not any(thread.is_alive() for thread in self.threads), "a write was never acknowledged"
        assert not self.refused, self.refused[:3]
