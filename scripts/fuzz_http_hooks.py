"""What a schema cannot say about a request, for scripts/fuzz-http.

Only requests that fit the document are touched, and only where it asks for a text that this server has
made before (a position, a cursor), for what no request has used before (a key; an id together with a
namespace, because an id belongs to its first namespace), for one of two parameters, or for a filter whose
size as a whole no schema can say. Requests that break the document reach the server as they were made, a
filter that is beyond every target excepted.
"""

import collections.abc
import copy
import json
import os
import re
import urllib.parse
import urllib.request
import uuid

import schemathesis
from schemathesis.specs.openapi.checks import use_after_free

URL = os.environ["FUZZ_URL"]
TOKEN = os.environ["FUZZ_TOKEN"]
WRITES = ("/v1/memories", "/v1/memories/{id}", "/v1/events")
# As crates/soma-core/src/limits.rs has them.
FILTER_DEPTH_MAX = 16
FILTER_TERMS_MAX = 256
# Beyond it the server's HTTP library answers by itself, without a body.
TARGET_CHARS_MAX = 20000
POSITION = re.compile(r"\Ap1[A-Za-z0-9_-]+(,p1[A-Za-z0-9_-]+)*\Z")
CURSOR = re.compile(r"\A[noi][0-9a-f]{16}\.(-|[0-9a-f]{16})\.[0-9a-f]{32}\Z")


@schemathesis.check
def use_of_what_was_deleted(ctx, response, case):
    """A deleted memory is gone for every route but that of its history."""
    if case.operation.label.endswith("/history"):
        return None
    return use_after_free(ctx, response, case)


def position():
    """Where the server stands: a position that is reached already."""
    request = urllib.request.Request(f"{URL}/v1/status", headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["position"]


def is_position(value):
    return isinstance(value, str) and POSITION.match(value)


def fits(case):
    """Whether the request was made to fit the document."""
    return case.meta is None or case.meta.generation.mode.is_positive


def size(filter):
    """How deep a filter nests, and how many conditions and values it has, as the server counts them."""
    if isinstance(filter, dict) and "field" in filter:
        values = filter.get("in")
        extra = max(len(values), 1) - 1 if isinstance(values, list) else 0
        return 1, len(filter) - 1 + extra
    inner = filter.get("and") or filter.get("or") or [filter.get("not")] if isinstance(filter, dict) else []
    sizes = [size(part) for part in inner]
    return 1 + max((depth for depth, _ in sizes), default=0), sum(terms for _, terms in sizes)


def is_large(filter):
    """Whether a filter that fits the document is larger than a filter may be as a whole."""
    if isinstance(filter, str):
        filter = json.loads(filter)
    depth, terms = size(filter)
    return depth > FILTER_DEPTH_MAX or terms > FILTER_TERMS_MAX


def encoded(filter):
    text = filter if isinstance(filter, str) else json.dumps(filter)
    return len(urllib.parse.quote(text))


def detach(case):
    """Gives a request parts of its own: the requests of one operation are made with shared ones. Past the
    fuzzer's own setter, which takes any part that is set for one that changed, and judges the request anew."""
    for part in ("path_parameters", "query", "headers", "body"):
        value = getattr(case, part)
        if isinstance(value, (collections.abc.MutableMapping, list)):
            object.__setattr__(case, part, copy.deepcopy(value))


@schemathesis.hook
def before_call(context, case, kwargs):
    detach(case)
    # First, because a request whose parts changed is judged anew by what it then is.
    known(case)
    if fits(case):
        fresh(case)
    elif isinstance(case.query, dict) and "filter" in case.query and encoded(case.query["filter"]) > TARGET_CHARS_MAX:
        # As wrong as before, and short.
        case.query["filter"] = "["
    owned(case)


def known(case):
    """Puts texts that this server made in the place of those that only look like them, and a key of its own."""
    if isinstance(case.query, dict):
        if is_position(case.query.get("after")):
            case.query["after"] = position()
        cursor = case.query.get("cursor")
        if isinstance(cursor, str) and CURSOR.match(cursor):
            order = case.query.get("order", "newest")
            mark = order[0] if order in ("newest", "oldest", "importance") else cursor[0]
            case.query["cursor"] = f"{mark}{cursor[1:18]}-.{cursor[-32:]}"
    if isinstance(case.body, dict) and case.path == "/v1/recall":
        after = case.body.get("after")
        if is_position(after):
            case.body["after"] = position()
        elif isinstance(after, list) and after and all(map(is_position, after)):
            case.body["after"] = [position()]
    key = case.headers.get("Idempotency-Key") if case.headers else None
    if isinstance(key, str) and 0 < len(key) <= 200:
        case.headers["Idempotency-Key"] = f"{key}{uuid.uuid4()}"


def owned(case):
    """An id belongs to the namespace of its first event: one that is named with a namespace must be new."""
    query = case.query if isinstance(case.query, dict) else {}
    parameters = case.path_parameters if isinstance(case.path_parameters, dict) else {}
    if "namespace" in query and "id" in parameters and (fits(case) or is_uuid(parameters["id"])):
        parameters["id"] = str(uuid.uuid4())


def is_uuid(value):
    try:
        return bool(uuid.UUID(str(value)))
    except ValueError:
        return False


def fresh(case):
    """What depends on requests before this one, or on another parameter."""
    query = case.query if isinstance(case.query, dict) else {}
    filter = query.get("filter")
    if filter is not None and (is_large(filter) or encoded(filter) > TARGET_CHARS_MAX):
        del case.query["filter"]
    if isinstance(case.body, dict) and case.path == "/v1/recall" and case.body.get("filter") is not None:
        if is_large(case.body["filter"]):
            del case.body["filter"]
    if case.path.endswith("/history"):
        # A cursor is that of one memory.
        query.pop("cursor", None)
    if case.path == "/v1/memories" and case.method.upper() == "DELETE":
        if not query.keys() & {"namespace", "filter"}:
            case.query = {**query, "namespace": "default"}
        return
    if "namespace" in query and "namespace_prefix" in query:
        del case.query["namespace_prefix"]
    if isinstance(case.body, dict) and case.path == "/v1/memories" and case.body.get("id"):
        case.body["id"] = str(uuid.uuid4())
    if case.path in WRITES and case.method.upper() != "GET" and "wait" not in query:
        # A read that follows sees the write once the stores have it.
        case.query = {**case.query, "wait": "stored"} if isinstance(case.query, dict) else {"wait": "stored"}
