# shellcheck shell=bash
# The tools of `scripts/deploy-checks` and `scripts/stack-smoke`: sourced, not run. Each is built once, into a
# folder that carries its version.

compose_version=5.0.2
tools="${XDG_CACHE_HOME:-$HOME/.cache}/somafractalmemory/tools"
mkdir -p "$tools"

# go_tool NAME MODULE@VERSION
go_tool() {
    local folder="$tools/$1-${2##*@v}"
    if [[ ! -x "$folder/$1" ]]; then
        echo "building $1 ${2##*@}" >&2
        rm -rf "$folder.part"
        GOBIN="$folder.part" go install "$2" || return
        # The module of compose calls its program `cmd`.
        [[ -e "$folder.part/$1" ]] || mv "$folder.part"/* "$folder.part/$1" || return
        rm -rf "$folder"
        mv "$folder.part" "$folder" || return
    fi
    PATH="$folder:$PATH"
}

# docker compose, without an engine.
compose_tool() {
    go_tool docker-compose "github.com/docker/compose/v5/cmd@v$compose_version"
}

# python_tool NAME REQUIREMENT...: a virtual environment; prints its interpreter.
python_tool() {
    local folder="$tools/$1"
    shift
    if [[ ! -e "$folder/complete" || "$(cat "$folder/complete")" != "$*" ]]; then
        rm -rf "$folder"
        python3 -m venv "$folder" || return
        "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2 || return
        echo "$*" >"$folder/complete"
    fi
    echo "$folder/bin/python"
}

# packages PROGRAM=PACKAGE...: installs the packages whose program is not there.
packages() {
    local missing=() root=() pair
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
    done
    ((${#missing[@]})) || return 0
    ((EUID == 0)) || root=(sudo)
    "${root[@]}" apt-get update -qq || return
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
}
