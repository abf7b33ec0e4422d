#!/usr/bin/env bash
# Starts the services of docker-compose.yml that a mode needs, waits until they are healthy, and prints
# what to export for a `soma` that runs on this machine. `--help` says the rest.
#
# Works with `docker compose` and with `podman compose`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
    cat <<'USAGE'
usage: scripts/start_stack.sh <development|evented_enterprise|test> [--with-broker] [--pull] [--wait] [--down]

  development         PostgreSQL and Qdrant; events go to the local journal
  evented_enterprise  the messaging layer alone: Kafka and its topics
  test                everything that the tests of the cluster profile need, in a project of its own

  --with-broker       adds Kafka with its topics and the schema registry to either of the first two
  --pull              pulls the images first
  --wait              waits up to ten minutes rather than three
  --down              stops what the mode starts; the data is kept, that of `test` is removed

Then `soma up` in this folder, with the variables that are printed.
USAGE
}

refuse() {
    echo "start_stack.sh: $*" >&2
    usage >&2
    exit 2
}

fail() {
    echo "start_stack.sh: $*" >&2
    exit 1
}

mode="" with_broker=false pull=false down=false patience=180
for word in "$@"; do
    case "$word" in
        development | evented_enterprise | test)
            [[ -z "$mode" ]] || refuse "one mode at a time: $mode or $word"
            mode="$word"
            ;;
        --with-broker) with_broker=true ;;
        --pull) pull=true ;;
        --wait) patience=600 ;;
        --down) down=true ;;
        --help | -h)
            usage
            exit 0
            ;;
        *) refuse "unknown word: $word" ;;
    esac
done
[[ -n "$mode" ]] || refuse "no mode is given"

# The first engine that has `compose`.
engine=""
for candidate in docker podman; do
    if command -v "$candidate" >/dev/null && "$candidate" compose version >/dev/null 2>&1; then
        engine="$candidate"
        break
    fi
done
[[ -n "$engine" ]] || fail "neither 'docker compose' nor 'podman compose' works; install one of them"

files=(-f docker-compose.yml)
project=()
if $with_broker || [[ "$mode" == test ]]; then
    files+=(-f docker-compose.dev.yml)
fi
if [[ "$mode" == test ]]; then
    project=(-p somafractalmemory-test)
fi
compose() {
    "$engine" compose "${project[@]}" "${files[@]}" "$@"
}

defined="$(compose config --services)" || fail "the compose files cannot be read"
has() {
    grep -qx "$1" <<<"$defined"
}

broker=kafka
if ! has kafka && has redpanda; then
    broker=redpanda
fi

# `running` are waited for until they are healthy, `once` until they have ended.
running=() once=()
add_broker() {
    running+=("$broker")
    if has "$broker-topics"; then
        once+=("$broker-topics")
    fi
}
case "$mode" in
    development)
        running+=(postgres qdrant)
        if $with_broker; then
            add_broker
            running+=(apicurio)
        fi
        ;;
    evented_enterprise)
        add_broker
        if $with_broker; then
            running+=(apicurio)
        fi
        ;;
    test)
        add_broker
        running+=(apicurio postgres qdrant)
        ;;
esac
services=("${running[@]}" "${once[@]}")
for service in "${services[@]}"; do
    has "$service" || fail "the compose files define no service '$service'"
done

if $down; then
    echo "stopping ${services[*]}"
    if [[ "$mode" == test ]]; then
        compose down --volumes
    else
        compose rm --stop --force "${services[@]}"
    fi
    exit 0
fi

if $pull; then
    echo "pulling ${services[*]}"
    compose pull "${services[@]}"
fi
echo "starting ${services[*]}"
compose up --detach "${services[@]}"

state_of() {
    local id
    id="$(compose ps --all --quiet "$1")"
    [[ -n "$id" ]] || return 0
    "$engine" inspect --format "$2" "${id%%$'\n'*}"
}

# What keeps us waiting, or nothing.
missing() {
    local service state
    for service in "${running[@]}"; do
        state="$(state_of "$service" '{{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{else}}healthy{{end}}')"
        [[ "$state" != exited* && "$state" != dead* ]] || fail "$service ended; see: $engine compose logs $service"
        [[ "$state" == "running healthy" ]] || echo "$service"
    done
    for service in "${once[@]}"; do
        state="$(state_of "$service" '{{.State.Status}} {{.State.ExitCode}}')"
        [[ "$state" != "exited "[1-9]* ]] || fail "$service failed; see: $engine compose logs $service"
        [[ "$state" == "exited 0" ]] || echo "$service"
    done
}

waiting="?"
end=$((SECONDS + patience))
while true; do
    now="$(missing | tr '\n' ' '; exit "${PIPESTATUS[0]}")" || exit 1
    [[ -n "$now" ]] || break
    [[ "$now" == "$waiting" ]] || echo "waiting for $now"
    waiting="$now"
    ((SECONDS < end)) || fail "not healthy after $patience s: $now; see: $engine compose logs"
    sleep 1
done
echo "healthy: ${services[*]}"

# A service's address, seen from this machine.
address() {
    local port
    port="$(compose port "$1" "$2")" || fail "$1 publishes no port $2"
    echo "localhost:${port##*:}"
}

# A setting of PostgreSQL: from the shell, from `.env`, or the default of docker-compose.yml.
setting() {
    local value="${!1:-}"
    if [[ -z "$value" && -r .env ]]; then
        value="$(sed -n "s/^$1=//p" .env | tail -n 1)"
        value="${value//[\"\']/}"
    fi
    echo "${value:-soma}"
}

# say NAME NAME-IN-TESTS VALUE
say() {
    if [[ "$mode" == test ]]; then echo "export $2=$3"; else echo "export $1=$3"; fi
}

echo
[[ "$mode" == test ]] || echo "# for a local API: soma up"
for service in "${running[@]}"; do
    case "$service" in
        kafka) say KAFKA_BOOTSTRAP_SERVERS SOMA_TEST_KAFKA "$(address kafka 29092)" ;;
        redpanda) say KAFKA_BOOTSTRAP_SERVERS SOMA_TEST_KAFKA "$(address redpanda 9092)" ;;
        postgres)
            login="$(setting POSTGRES_USER):$(setting POSTGRES_PASSWORD)"
            say POSTGRES_URL SOMA_TEST_POSTGRES_URL \
                "postgresql://$login@$(address postgres 5432)/$(setting POSTGRES_DB)"
            ;;
        qdrant) say QDRANT_URL SOMA_TEST_QDRANT_URL "http://$(address qdrant 6334)" ;;
        apicurio)
            say SCHEMA_REGISTRY_URL SOMA_TEST_REGISTRY_URL "http://$(address apicurio 8080)/apis/ccompat/v7"
            ;;
    esac
done
