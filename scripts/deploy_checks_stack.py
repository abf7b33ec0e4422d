"""Runs `scripts/start_stack.sh` with a recording stand-in for `docker` (or `podman`) on the PATH and compares
what it starts, what it prints and how it ends."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from deploy_checks_report import check, finish

SCRATCH = pathlib.Path(sys.argv[1])
ROOT = pathlib.Path(__file__).resolve().parent.parent

# Answers as the engine does: the services of the real files, healthy after the second look, ports by table.
STAND_IN = r"""#!/usr/bin/env bash
set -euo pipefail
printf '%s\n' "$(basename "$0") $*" >>"$RECORD"
words=("$@")
[[ "$1" != inspect ]] || {
    looks="$RECORD.looks"
    echo x >>"$looks"
    service="${!#}"
    case "$service" in
        *-topics) if [[ "${BROKEN:-}" == "$service" ]]; then echo "exited 1"; else echo "exited 0"; fi ;;
        *)
            if [[ "${BROKEN:-}" == "$service" ]]; then echo "exited unhealthy"
            elif (($(wc -l <"$looks") < 3)); then echo "running starting"
            else echo "running healthy"; fi ;;
    esac
    exit 0
}
[[ "$1" == compose ]] || exit 64
[[ "${NO_COMPOSE:-}" != "$(basename "$0")" ]] || exit 1
case " $* " in
    *" version "*) ;;
    *" config --services "*)
        if [[ -n "${SERVICES:-}" ]]; then printf '%s\n' $SERVICES; exit 0; fi
        shift
        exec docker-compose --env-file /dev/null "$@" ;;
    *" ps --all --quiet "*) echo "${words[-1]}" ;;
    *" port "*)
        case "${words[-1]}" in
            29092) echo 127.0.0.1:9092 ;; 8080) echo 127.0.0.1:8081 ;;
            *) echo "127.0.0.1:${words[-1]}" ;;
        esac ;;
    *" up "*) [[ "${BROKEN:-}" != up ]] ;;
    *" pull "*) [[ "${BROKEN:-}" != pull ]] ;;
esac
"""


def stand_ins(*engines):
    """A folder with the engines and what the script itself needs, and nothing else."""
    folder = SCRATCH / ("path-" + "-".join(engines or ("none",)))
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    for engine in engines:
        (folder / engine).write_text(STAND_IN)
        (folder / engine).chmod(0o755)
    for program in ("bash", "env", "cat", "grep", "tr", "sleep", "dirname", "basename", "wc", "sed", "tail", "docker-compose"):
        (folder / program).symlink_to(shutil.which(program))
    return folder


def run(*words, engines=("docker",), **environment):
    """What the script did: its exit code, what it said, and the calls of the engine."""
    record = SCRATCH / "record"
    for old in (record, record.with_name("record.looks")):
        old.unlink(missing_ok=True)
    path = str(stand_ins(*engines))
    done = subprocess.run(
        [str(ROOT / "scripts/start_stack.sh"), *words],
        env={"PATH": path, "HOME": os.environ.get("HOME", "/"), "RECORD": str(record), **environment},
        capture_output=True, text=True, timeout=60,
    )
    done.calls = record.read_text().splitlines() if record.exists() else []
    return done


def calls(done, verb):
    """The words behind the verb of each call that has it."""
    found = []
    for line in done.calls:
        words = line.split()
        if verb in words:
            found.append(words[words.index(verb) + 1:])
    return found


def exports(done):
    """The variables that it prints."""
    lines = [line[len("export "):] for line in done.stdout.splitlines() if line.startswith("export ")]
    return dict(line.split("=", 1) for line in lines)


def show(done):
    return json.dumps([done.returncode, done.stdout, done.stderr, done.calls], indent=1)


POSTGRES = {"POSTGRES_URL": "postgresql://soma:soma@localhost:5432/soma"}
QDRANT = {"QDRANT_URL": "http://localhost:6334"}
KAFKA = {"KAFKA_BOOTSTRAP_SERVERS": "localhost:9092"}
REGISTRY = {"SCHEMA_REGISTRY_URL": "http://localhost:8081/apis/ccompat/v7"}
TESTS = {
    "SOMA_TEST_KAFKA": "localhost:9092", "SOMA_TEST_REGISTRY_URL": REGISTRY["SCHEMA_REGISTRY_URL"],
    "SOMA_TEST_POSTGRES_URL": POSTGRES["POSTGRES_URL"], "SOMA_TEST_QDRANT_URL": QDRANT["QDRANT_URL"],
}
CASES = [
    (["development"], "postgres qdrant", POSTGRES | QDRANT),
    (["development", "--with-broker"], "postgres qdrant kafka apicurio kafka-topics", POSTGRES | QDRANT | KAFKA | REGISTRY),
    (["--with-broker", "development"], "postgres qdrant kafka apicurio kafka-topics", POSTGRES | QDRANT | KAFKA | REGISTRY),
    (["evented_enterprise"], "kafka kafka-topics", KAFKA),
    (["evented_enterprise", "--with-broker"], "kafka apicurio kafka-topics", KAFKA | REGISTRY),
    (["test"], "kafka apicurio postgres qdrant kafka-topics", TESTS),
    (["test", "--with-broker"], "kafka apicurio postgres qdrant kafka-topics", TESTS),
]
for words, services, variables in CASES:

    @check(f"start_stack.sh {' '.join(words)} starts {services}")
    def _(words=words, services=services, variables=variables):
        done = run(*words)
        assert done.returncode == 0, show(done)
        assert calls(done, "up") == [["--detach", *services.split()]], show(done)
        assert f"starting {services}" in done.stdout, show(done)
        assert f"healthy: {services}" in done.stdout, show(done)
        assert exports(done) == variables, show(done)
        assert not calls(done, "pull") and not calls(done, "rm") and not calls(done, "down"), show(done)


@check("start_stack.sh waits until the services are healthy")
def _():
    done = run("development")
    assert len(calls(done, "inspect")) >= 4 and "waiting for" in done.stdout, show(done)


@check("start_stack.sh --pull pulls the same services first")
def _():
    done = run("evented_enterprise", "--pull", "--wait")
    assert calls(done, "pull") == [["kafka", "kafka-topics"]], show(done)
    verbs = [word for line in done.calls for word in line.split() if word in ("pull", "up")]
    assert verbs == ["pull", "up"] and done.returncode == 0, show(done)


@check("start_stack.sh --down stops the same services and keeps their data")
def _():
    done = run("development", "--down")
    assert calls(done, "rm") == [["--stop", "--force", "postgres", "qdrant"]], show(done)
    assert not calls(done, "up") and not calls(done, "down") and done.returncode == 0, show(done)


@check("start_stack.sh test --down removes its own project with its data, and no other")
def _():
    done = run("test", "--down")
    assert calls(done, "down") == [["--volumes"]] and done.returncode == 0, show(done)
    line = next(line for line in done.calls if " down " in line)
    assert "-p somafractalmemory-test" in line, show(done)
    assert not [line for line in run("development").calls if "-p " in line]


@check("start_stack.sh starts redpanda when the file defines that instead")
def _():
    done = run("evented_enterprise", SERVICES="redpanda postgres qdrant api")
    assert calls(done, "up") == [["--detach", "redpanda"]] and done.returncode == 0, show(done)
    assert exports(done) == KAFKA, show(done)


@check("start_stack.sh prints the login that the shell sets")
def _():
    done = run("development", POSTGRES_USER="mary", POSTGRES_PASSWORD="s3cret", POSTGRES_DB="memory")
    assert exports(done)["POSTGRES_URL"] == "postgresql://mary:s3cret@localhost:5432/memory", show(done)


@check("start_stack.sh works with podman compose alone, and when docker has no compose")
def _():
    for done in (run("development", engines=("podman",)), run("development", engines=("docker", "podman"), NO_COMPOSE="docker")):
        assert done.returncode == 0, show(done)
        started = [line for line in done.calls if " up " in line]
        assert len(started) == 1 and started[0].startswith("podman compose "), show(done)


USAGE = [[], ["production"], ["development", "test"], ["development", "--wihtout-broker"], ["development", ""]]
for words in USAGE:

    @check(f"start_stack.sh {words} exits 2 with usage and touches nothing")
    def _(words=words):
        done = run(*words)
        assert done.returncode == 2 and "usage:" in done.stderr and done.calls == [], show(done)


@check("start_stack.sh --help says the usage")
def _():
    done = run("--help")
    assert done.returncode == 0 and "usage:" in done.stdout and done.calls == [], show(done)


FAILURES = [
    ("no engine", dict(engines=()), "neither 'docker compose' nor 'podman compose'"),
    ("a pull fails", dict(BROKEN="pull"), ""),
    ("the start fails", dict(BROKEN="up"), ""),
    ("a service ends", dict(BROKEN="kafka"), "kafka ended"),
    ("the topics are not made", dict(BROKEN="kafka-topics"), "kafka-topics failed"),
    ("the file lacks a service", dict(SERVICES="postgres"), "define no service 'kafka'"),
]
for name, arguments, words in FAILURES:

    @check(f"start_stack.sh fails when {name}")
    def _(arguments=arguments, words=words):
        done = run("evented_enterprise", "--pull", **arguments)
        assert done.returncode == 1 and words in done.stderr, show(done)
        assert not exports(done), show(done)


finish()
