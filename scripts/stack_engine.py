"""A stand-in for `docker` that has `compose` and `inspect`: what docker-compose.yml defines runs as processes of
this machine. compose itself (without an engine) reads the files, so profiles, overlays, anchors and
variables mean what they mean to it. `scripts/stack-smoke` puts it on the PATH.

Kafka, PostgreSQL and the registry are the real ones of the service scripts; `api` and
`somafractalmemory_kube` run their command with their environment; host names become loopback.
"""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

DIR = pathlib.Path(os.environ["STACK_DIR"])
ROOT = pathlib.Path(os.environ["STACK_ROOT"])
KAFKA = f"127.0.0.1:{os.environ['SOMA_KAFKA_PORT']}"
POSTGRES = f"127.0.0.1:{os.environ['SOMA_POSTGRES_PORT']}"
REGISTRY = f"127.0.0.1:{os.environ['SOMA_REGISTRY_PORT']}"
QDRANT_PORT = os.environ.get("STACK_QDRANT_STAND_IN_PORT", "26334")
QDRANT = f"127.0.0.1:{QDRANT_PORT}"
API_PORT, METRICS_PORT = (os.environ.get(name, default) for name, default in (("STACK_API", "29595"), ("STACK_METRICS", "28001")))
API_METRICS_PORT = os.environ.get("STACK_API_METRICS", "28002")
# Names and ports inside the containers, and where the same is here.
HERE = [
    ("kafka:9092", KAFKA), ("localhost:9092", KAFKA), ("postgres:5432", POSTGRES), ("qdrant:6334", QDRANT), ("apicurio:8080", REGISTRY),
    ("127.0.0.1:9595", f"127.0.0.1:{API_PORT}"), ("127.0.0.1:8001", f"127.0.0.1:{METRICS_PORT}"), ("0.0.0.0", "127.0.0.1"),
]
PORTS = {"kafka": KAFKA, "postgres": POSTGRES, "qdrant": QDRANT, "apicurio": REGISTRY,
         "api": f"127.0.0.1:{API_PORT}", "somafractalmemory_kube": f"127.0.0.1:{METRICS_PORT}"}
TOOLS = {
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand", "kafka-get-offsets.sh": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-configs.sh": "kafka.admin.ConfigCommand", "kafka-broker-api-versions.sh": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
SCRIPTS = {"kafka": "kafka", "postgres": "postgres", "apicurio": "registry"}


def here(text):
    for inside, outside in HERE:
        text = text.replace(inside, outside)
    return text


def say(text):
    print(text, file=sys.stderr, flush=True)


def defined(flags):
    """The services, as compose resolves them from the files, the shell and `.env`."""
    done = subprocess.run(["docker-compose", *flags, "config", "--format", "json"], capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        sys.exit(done.stderr)
    return json.loads(done.stdout)["services"]


def running(name):
    """The process of a service, if it runs."""
    try:
        pid = int((DIR / f"{name}.pid").read_text())
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, ValueError):
        return None
    return None if state == "Z" else pid


def spawn(name, words, env):
    """Starts a process that outlives this one, and remembers what it was started with."""
    meaning = json.dumps([words, env], sort_keys=True)
    started = DIR / f"{name}.started"
    if running(name) and started.read_text() == meaning:
        return
    stop(name)
    folder = DIR / f"{name}.cwd"
    folder.mkdir(exist_ok=True)
    with (DIR / f"{name}.log").open("a") as log:
        (DIR / f"{name}.exit").unlink(missing_ok=True)
        script = '"$@" & echo $! >"$PID"; wait $!; echo $? >"$EXIT"'
        bookkeeping = {"PID": str(DIR / f"{name}.pid"), "EXIT": str(DIR / f"{name}.exit")}
        (DIR / f"{name}.pid").unlink(missing_ok=True)
        clean = ["env", "-u", "PID", "-u", "EXIT"]
        subprocess.Popen(["bash", "-c", script, "bash", *clean, *words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                         env={**env, **bookkeeping}, cwd=folder, start_new_session=True)
    started.write_text(meaning)
    until(f"{name} has a process", (DIR / f"{name}.pid").exists, 10)
    say(f"{name}: started")


def until(what, holds, seconds):
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def stop(name):
    """Ends a process as `docker stop` does, and insists that it ended well."""
    pid = running(name)
    if pid is None:
        return
    os.kill(pid, signal.SIGTERM)
    ended = DIR / f"{name}.exit"
    until(f"{name} ends after SIGTERM", lambda: ended.exists() and ended.read_text().strip(), 30)
    code = ended.read_text().strip()
    say(f"{name}: ended with {code}")
    if code != "0" and name != "qdrant":
        sys.exit(f"{name} ended with {code} after SIGTERM")


def script(service, verb):
    """One verb of a service script."""
    env = dict(os.environ)
    if service == "apicurio":
        env.update(APICURIO_STORAGE_KIND="kafkasql", APICURIO_KAFKASQL_BOOTSTRAP_SERVERS=KAFKA)
    return subprocess.run([f"{os.environ['STACK_SERVICES']}/{SCRIPTS[service]}", verb], stdout=subprocess.DEVNULL, env=env).returncode


def base():
    return {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}


def environment(service, name):
    """The environment of a service, with the names of hosts, ports and folders of this machine."""
    env = base()
    for key, value in service.get("environment", {}).items():
        if value is not None:
            env[key] = here(str(value)).replace("/var/lib/soma", str(DIR / f"{name}.data"))
    # A container has a loopback of its own: an API that projects itself opens a metrics port there too.
    metrics = API_METRICS_PORT if name == "api" else METRICS_PORT
    for key, port in (("SOMA_API_PORT", API_PORT), ("CONSUMER_METRICS_PORT", metrics)):
        if key in env:
            env[key] = port
    return env


def kafka_bin():
    """A folder with the scripts of Kafka's image that we name."""
    folder = DIR / "kafka-bin"
    if not folder.exists():
        folder.mkdir()
        for name, java in TOOLS.items():
            (folder / name).write_text(f'#!/bin/sh\nexec java ${{KAFKA_HEAP_OPTS:-}} -cp "{os.environ["STACK_KAFKA_TOOLS"]}/*" {java} "$@"\n')
            (folder / name).chmod(0o755)
    return folder


def inside(words):
    """A command of a container, here."""
    return [here(word).replace("/opt/kafka/bin", str(kafka_bin())) for word in words]


def start(name, service):
    """Starts one service, or leaves it as it is when nothing about it has changed."""
    if name in SCRIPTS:
        if script(name, "up"):
            sys.exit(f"{name} does not start")
    elif name == "kafka-topics":
        # `$$` is compose's way to write `$`.
        words = inside([word.replace("$$", "$") for word in [*service["entrypoint"], *service["command"]]])
        done = subprocess.run(words, env=environment(service, name), stdout=sys.stderr)
        (DIR / f"{name}.exit").write_text(str(done.returncode))
        if done.returncode:
            sys.exit(f"{name} ended with {done.returncode}")
    elif name == "qdrant":
        data = DIR / "qdrant.data"
        data.mkdir(exist_ok=True)
        spawn(name, [os.environ["STACK_QDRANT"], "--port", QDRANT_PORT, "--dir", str(data)], base())
        until("qdrant listens", lambda: listens(QDRANT_PORT), 30)
    elif service["command"][0] == "soma":
        (DIR / f"{name}.data").mkdir(exist_ok=True)
        spawn(name, [os.environ["STACK_SOMA"], *service["command"][1:]], environment(service, name))
    else:
        sys.exit(f"{name} cannot run without containers")


def listens(port):
    return subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}"], stderr=subprocess.DEVNULL).returncode == 0


def ordered(services, wanted):
    """The services with what they depend on, in an order that starts them after it."""
    order = []

    def visit(name):
        if name in order:
            return
        for other in services[name].get("depends_on", {}):
            visit(other)
        order.append(name)

    for name in wanted:
        visit(name)
    return order


def health(name):
    if name in SCRIPTS:
        return "running healthy" if script(name, "status") == 0 else "exited unhealthy"
    if name == "kafka-topics":
        return f"exited {(DIR / f'{name}.exit').read_text().strip()}"
    return "running healthy" if running(name) else "exited unhealthy"


def end(name):
    if name in SCRIPTS:
        script(name, "down")
    else:
        stop(name)


def execute(services, rest):
    """`compose exec`: the command of a service, against the service."""
    words = [word for word in rest if not (word.startswith("-") and word in ("-T", "--no-TTY"))]
    name, command = words[0], words[1:]
    if name == "postgres":
        host, port = POSTGRES.split(":")
        env = {**os.environ, "PGPASSWORD": services[name]["environment"]["POSTGRES_PASSWORD"], "PGHOST": host, "PGPORT": port}
        return subprocess.run(command, env=env).returncode
    return subprocess.run(inside(command)).returncode


def compose(words):
    flags = []
    while words and words[0].startswith("-"):
        flags += words[:2]
        words = words[2:]
    verb, rest = words[0], words[1:]
    if verb == "version":
        return 0
    services = defined(flags)
    named = [word for word in rest if not word.startswith("-")]
    if verb == "config":
        print("\n".join(services))
    elif verb == "up":
        for name in ordered(services, named or list(services)):
            start(name, services[name])
    elif verb == "stop":
        for name in named:
            stop(name)
    elif verb in ("down", "rm"):
        for name in reversed(named or ordered(services, services)):
            end(name)
    elif verb == "exec":
        return execute(services, rest)
    elif verb == "ps":
        names = named or [n for n in services if running(n) or n in SCRIPTS]
        print("\n".join(names if "--quiet" in rest else [f"{n} {health(n)}" for n in names]))
    elif verb == "port":
        print(PORTS[named[0]])
    elif verb == "logs":
        for name in named:
            print((DIR / f"{name}.log").read_text())
    else:
        sys.exit(f"the stand-in has no verb '{verb}': {shlex.join(words)}")
    return 0


def main(words):
    if words[:1] == ["compose"]:
        return compose(words[1:])
    if words[:2] == ["inspect", "--format"]:
        state = health(words[3])
        print(state if re.search("Health|ExitCode", words[2]) else state.split()[0])
        return 0
    sys.exit(f"the stand-in does not know: docker {shlex.join(words)}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
