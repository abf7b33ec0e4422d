"""Two tenants for `scripts/fuzz-http --tenants`: what the other one has, and whether it stays unseen.

    fuzz_http_world.py begin       fills both namespaces, and proves that what must not be seen can be found
    fuzz_http_world.py end         walks over tools for agents, pages and probes as the first tenant, and
                                   compares what the other one sees with what it saw before
    fuzz_http_world.py log FILE    the server's log holds no word of a memory
"""

import html.parser
import itertools
import json
import os
import secrets
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

URL, METRICS_URL = os.environ["FUZZ_URL"], os.environ["FUZZ_METRICS_URL"]
OURS, OTHERS = os.environ["FUZZ_TOKEN"], os.environ["FUZZ_OTHER_TOKEN"]
FILE = Path(os.environ["FUZZ_OTHER"])
ACCEPT = "application/json, text/event-stream, */*"


def facts():
    """What no answer to the first tenant may carry, unless the request names it."""
    return json.loads(FILE.read_text("utf-8"))["facts"]


def leak(told, asked, known):
    """The first fact that stands in an answer and not in its request."""
    return next((fact for fact in known if fact in told and fact not in asked), None)


def ask(token, method, target, body=None, base=URL):
    """Status, and everything that the answer says."""
    headers = {"Accept": ACCEPT, "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + target, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, str(answer.headers), answer.read().decode("utf-8")
    except urllib.error.HTTPError as error:
        return error.code, str(error.headers), error.read().decode("utf-8")


def written(token, method, target, body=None):
    status, _, text = ask(token, method, target, body)
    assert status in (200, 201), f"{method} {target}: {status} {text}"
    return json.loads(text)


def seen_by_the_other():
    """Everything that the other tenant can see."""
    _, _, page = ask(OTHERS, "GET", "/v1/memories?namespace_prefix=tenant-a&limit=1000")
    _, _, namespaces = ask(OTHERS, "GET", "/v1/namespaces?prefix=tenant-a")
    known = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {"ids": []}
    histories = [ask(OTHERS, "GET", f"/v1/memories/{id}/history")[2] for id in known["ids"]]
    return {"page": json.loads(page)["items"], "namespaces": namespaces, "histories": histories}


def begin():
    canary = f"canary{secrets.token_hex(8)}"
    memories = [
        {"namespace": "tenant-a", "payload": {"text": f"the lighthouse keeper is called {canary}"}, "importance": 3},
        {"namespace": "tenant-a/x", "payload": {"text": "the lighthouse is white", canary: [canary]}},
        {"namespace": "tenant-a", "payload": canary, "model_revision": canary},
        {"namespace": f"tenant-a/{canary}", "payload": "a name is a fact too"},
        {"namespace": "tenant-a", "payload": {"text": f"{canary} is forgotten"}},
    ]
    answers = [written(OTHERS, "POST", "/v1/memories?wait=stored", memory) for memory in memories]
    ids = [answer["id"] for answer in answers]
    changed = {"payload": {"text": f"the lighthouse keeper was called {canary}"}}
    answers.append(written(OTHERS, "PUT", f"/v1/memories/{ids[0]}?wait=stored", changed))
    answers.append(written(OTHERS, "DELETE", f"/v1/memories/{ids[-1]}?wait=stored"))
    for text in ("a lighthouse of ours", "keepers are many"):
        written(OURS, "POST", "/v1/memories?wait=stored", {"payload": {"text": text}})
    events = [answer["event_id"] for answer in answers]
    FILE.write_text(json.dumps({"ids": ids, "events": events, "facts": [canary, "tenant-a", *ids, *events]}), "utf-8")
    FILE.write_text(json.dumps({**json.loads(FILE.read_text("utf-8")), "before": seen_by_the_other()}), "utf-8")

    # What looks for leaks finds one where there is one.
    question = {"query": "lighthouse", "namespace_prefix": ""}
    told = ask(OTHERS, "POST", "/v1/recall", question)
    assert leak("".join(told[1:]), json.dumps(question), facts()) == canary, "the other tenant does not see its own"
    told = ask(OURS, "POST", "/v1/recall", question)
    assert json.loads(told[2])["hits"], "the first tenant does not see its own"


class Parts(html.parser.HTMLParser):
    """What a page loads."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        self.found += [value for name, value in attributes if name in ("src", "href") and value]


def arguments_of(schema, known):
    """Arguments for a tool by its schema: those that it needs, and each other one besides, aimed at the other."""
    values = {
        "id": known["ids"],
        "namespace": ["tenant-a", "tenant-a/x", "tenant-b"],
        "prefix": ["", "tenant"],
        "query": ["lighthouse"],
        "text": ["a stranger was here"],
        "filter": [{"field": "payload.text", "exists": True}, {"field": "namespace", "gte": ""}],
        "limit": [50],
        "order": ["oldest", "importance"],
    }
    properties, required = schema["properties"], schema.get("required", [])
    for extra in [None, *properties]:
        names = list(dict.fromkeys([*required, *([extra] if extra else [])]))
        if all(name in values for name in names):
            for chosen in itertools.product(*(values[name] for name in names)):
                yield dict(zip(names, chosen))


def messages(known):
    """What an agent sends to /mcp: every tool, and the resources of the other tenant."""
    count = itertools.count(1)

    def message(method, **params):
        return {"jsonrpc": "2.0", "id": next(count), "method": method, "params": params}

    tools = json.loads(ask(OURS, "POST", "/mcp", message("tools/list"))[2])["result"]["tools"]
    assert len(tools) >= 6, tools
    for tool in tools:
        for arguments in arguments_of(tool["inputSchema"], known):
            # Its own namespace is its own to empty.
            yield message("tools/call", name=tool["name"], arguments=arguments)
    for method in ("tools/list", "resources/list", "resources/templates/list", "prompts/list"):
        yield message(method)
    for id in known["ids"]:
        yield message("resources/read", uri=f"memory://{id}")


def pages():
    """Every page, and what it loads."""
    for page in ("/ui", "/docs"):
        yield page
        parts = Parts()
        parts.feed(ask(None, "GET", page)[2])
        assert parts.found, page
        yield from (urllib.parse.urljoin(page, part) for part in parts.found if not part.startswith(("http", "#", "data:")))
    yield from ("/openapi.json", "/ui/none", "/ui/app.js", "/docs/none")


def end():
    known = json.loads(FILE.read_text("utf-8"))
    asked = 0

    def probe(token, method, target, body=None, base=URL):
        nonlocal asked
        status, headers, text = ask(token, method, target, body, base)
        request = f"{urllib.parse.unquote(target)} {json.dumps(body)}"
        found = leak(headers + text, request, known["facts"])
        assert found is None, f"{method} {target} {body} tells {found}: {status} {headers}{text}"
        assert status < 500, f"{method} {target} {body}: {status} {text}"
        asked += 1

    for message in messages(known):
        for namespace in ("", "?namespace=tenant-a", "?namespace=tenant-b"):
            probe(OURS, "POST", f"/mcp{namespace}", message)
            probe(None, "POST", f"/mcp{namespace}", message)
    for page in pages():
        for token, method in itertools.product((OURS, None, "nobody-0123456789"), ("GET", "HEAD", "OPTIONS")):
            probe(token, method, page)
    for target in ("/metrics", "/livez", "/readyz", "/health", "/healthz", "/nowhere"):
        for token in (OURS, None):
            probe(token, "GET", target)
            probe(token, "GET", target, base=METRICS_URL)
    assert asked > 200, f"only {asked} requests were made"
    after = seen_by_the_other()
    assert after == known["before"], f"the other tenant sees something else than before: {after}"
    print(f"{asked} requests beside the document: nothing of the other tenant, whose memories are as they were")


def log(path):
    text = Path(path).read_text("utf-8")
    canary = facts()[0]
    assert "soma is ready" in text, "this is not the server's log"
    assert canary not in text, f"the log holds a word of a memory: {canary}"


if __name__ == "__main__":
    {"begin": begin, "end": end, "log": log}[sys.argv[1]](*sys.argv[2:])
