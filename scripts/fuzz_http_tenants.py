"""The hooks of scripts/fuzz-http for a server with two tenants: of the requests that fit the document every
third is aimed at the other one, every third stays at home, the rest goes as it was made. No answer to any
request carries anything of the other.

What is aimed at the other tenant is refused for its target, whatever its form: what the document says of its
form is judged of the other requests. What the other one sees is compared at the end (fuzz_http_world.py).
"""

import itertools
import urllib.parse

import schemathesis

import fuzz_http_hooks
import fuzz_http_world

KNOWN = fuzz_http_world.json.loads(fuzz_http_world.FILE.read_text("utf-8"))
FACTS = KNOWN["facts"]
count = itertools.count()

HOME = itertools.cycle(["tenant-b", "tenant-b/x"])
AWAY = itertools.cycle(["tenant-a", "tenant-a/x", "tenant-b"])
PREFIXES = itertools.cycle(["", "t", "tenant", "tenant-a", "tenant-a/", "tenant-b"])
IDS = itertools.cycle(KNOWN["ids"])
EVENTS = itertools.cycle(KNOWN["events"])


@schemathesis.hook
def before_call(context, case, kwargs):
    if not fuzz_http_hooks.fits(case):
        return
    turn = next(count) % 3
    if turn == 1:
        aim(case, HOME, itertools.repeat("tenant-b"), None)
    elif turn == 2:
        aim(case, AWAY, PREFIXES, IDS)
        # Nobody knows any more how it was made.
        case._meta = None


def aim(case, names, prefixes, ids):
    """Points a request at namespaces, and at memories if there are any."""
    if isinstance(case.query, dict):
        settle(case.query, names, prefixes)
    if ids and isinstance(case.path_parameters, dict) and "id" in case.path_parameters:
        case.path_parameters["id"] = next(ids)
    bodies = case.body if isinstance(case.body, list) else [case.body]
    for body in bodies:
        if not isinstance(body, dict):
            continue
        settle(body, names, prefixes)
        if "namespaces" in body:
            body["namespaces"] = [next(names), next(names)]
        if ids:
            if "id" in body:
                body["id"] = next(ids)
            if "event_id" in body:
                body["event_id"] = next(EVENTS)
            if case.path == "/v1/recall" and isinstance(body.get("query"), str):
                body["query"] = "lighthouse keeper"


def settle(fields, names, prefixes):
    if "namespace" in fields:
        fields["namespace"] = next(names)
    for name in ("namespace_prefix", "prefix"):
        if name in fields:
            fields[name] = next(prefixes)


@schemathesis.check
def nothing_of_the_other_tenant(ctx, response, case):
    request = response.request
    body = request.body or b""
    body = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)
    asked = f"{urllib.parse.unquote(request.url)} {request.headers} {body}"
    told = f"{response.headers} {response.content.decode('utf-8', 'replace')}"
    found = fuzz_http_world.leak(told, asked, FACTS)
    assert found is None, f"the answer carries {found} of the other tenant"
