"""Plays an agent with the Python SDK of the Model Context Protocol. Run by scripts/mcp-smoke.

    mcp_smoke.py <soma> <scratch folder>
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

SOMA, SCRATCH = sys.argv[1], Path(sys.argv[2])
TOOLS = {"remember", "recall", "get", "list", "history", "forget"}
READ_ONLY = {"recall", "get", "list", "history"}
UNKNOWN = "0190b8a0-0000-7000-8000-00000000dead"
# The method of the protocol that begins, in its own spelling.
HELLO = "initial" "ize"
MODES = ("legacy", "auto")


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def words(result):
    return "\n".join(block.text for block in result.content)


async def call(client, schemas, tool, **arguments):
    """Calls a tool that must succeed; its structured content has to be as its schema says."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, f"{tool} failed: {words(result)}"
    jsonschema.validate(arguments, schemas[tool][0])
    jsonschema.validate(result.structured_content, schemas[tool][1])
    assert words(result).strip(), f"{tool} says nothing"
    return result.structured_content, words(result)


async def refused(client, tool, code, **arguments):
    """Calls a tool that must fail as a tool, saying why and what to do."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, f"{tool}({arguments}) was not refused: {words(result)}"
    assert words(result).startswith(f"{code}: "), f"{tool}({arguments}): {words(result)}"
    assert plain(result)["_meta"]["soma/error"]["code"] == code
    return words(result)


async def tools(client):
    listed = {tool.name: plain(tool) for tool in (await client.list_tools()).tools}
    assert set(listed) == TOOLS, sorted(listed)
    for name, tool in listed.items():
        for schema in (tool["inputSchema"], tool["outputSchema"]):
            jsonschema.Draft202012Validator.check_schema(schema)
        hints = tool["annotations"]
        assert hints["readOnlyHint"] == (name in READ_ONLY), name
        assert hints["destructiveHint"] == (name == "forget"), name
        assert tool["title"] and len(tool["description"]) > 80, name
        for parameter, shape in tool["inputSchema"]["properties"].items():
            assert shape.get("description"), f"{name}.{parameter} is not described"
    return {name: (tool["inputSchema"], tool["outputSchema"]) for name, tool in listed.items()}


async def play(client):
    """Everything that an agent does."""
    assert "long-term memory" in client.instructions
    assert client.server_info.name == "soma"
    schemas = await tools(client)
    use = lambda tool, **arguments: call(client, schemas, tool, **arguments)

    written, _ = await use("remember", text="The kiln is booked for Thursday.", data={"topic": "pottery"}, importance=2)
    memory = written["id"]
    assert written["stored"] and not written["replaced"]
    found, text = await use("recall", query="When is the kiln booked?", limit=3)
    assert found["hits"][0]["id"] == memory and "Thursday" in text
    one, _ = await use("get", id=memory)
    assert one["payload"] == {"text": "The kiln is booked for Thursday.", "topic": "pottery"} and one["importance"] == 2
    written, _ = await use("remember", text="The kiln is booked for Friday.", id=memory)
    assert written["replaced"] and written["id"] == memory
    found, _ = await use("recall", query="When is the kiln booked?")
    assert [hit["payload"]["text"] for hit in found["hits"] if hit["id"] == memory] == ["The kiln is booked for Friday."]
    assert (await use("get", id=memory))[0]["importance"] == 2
    listed, _ = await use("list", filter={"field": "importance", "gte": 2})
    assert memory in [item["id"] for item in listed["memories"]]
    history, text = await use("history", id=memory)
    assert [event["type"] for event in history["events"]] == ["created", "updated"] and "Thursday" in text

    await use("remember", text="Second of two, for the pages.")
    page, _ = await use("list", limit=1)
    rest, _ = await use("list", limit=1, cursor=page["next_cursor"])
    assert page["memories"][0]["id"] != rest["memories"][0]["id"]
    await use("remember", text="The glaze is celadon.", namespace="elsewhere")
    assert not [h for h in (await use("recall", query="celadon glaze"))[0]["hits"] if "celadon" in str(h)]
    assert (await use("recall", query="celadon glaze", namespace="elsewhere"))[0]["hits"]

    await resources(client, memory)
    await errors(client)

    await use("forget", id=memory)
    assert memory not in [hit["id"] for hit in (await use("recall", query="When is the kiln booked?"))[0]["hits"]]
    assert "not_found" in await refused(client, "get", "not_found", id=memory)
    history, _ = await use("history", id=memory)
    assert history["events"][-1]["type"] == "deleted" and "kiln" not in str(history)
    await use("forget", id=memory)


async def resources(client, memory):
    templates = (await client.list_resource_templates()).resource_templates
    assert [plain(template)["uriTemplate"] for template in templates] == ["soma://memory/{id}"]
    listed = [plain(resource) for resource in (await client.list_resources()).resources]
    uri = f"soma://memory/{memory}"
    assert uri in [resource["uri"] for resource in listed]
    content = plain((await client.read_resource(uri)).contents[0])
    assert json.loads(content["text"])["payload"]["text"] == "The kiln is booked for Friday."
    for wrong in (f"soma://memory/{UNKNOWN}", "soma://elsewhere", "soma://memory/no-uuid"):
        try:
            await client.read_resource(wrong)
        except MCPError:
            continue
        raise AssertionError(f"{wrong} was read")


async def errors(client):
    assert "What to do" in await refused(client, "get", "not_found", id=UNKNOWN)
    await refused(client, "get", "schema", id="no uuid")
    await refused(client, "get", "bad_request")
    await refused(client, "remember", "bad_request", text=" ")
    await refused(client, "remember", "not_found", text="a made-up id makes no memory", id=UNKNOWN)
    await refused(client, "remember", "schema", text="a", colour="red")
    await refused(client, "remember", "schema", text="a", importance="much")
    await refused(client, "recall", "bad_request", query="a", limit=0)
    await refused(client, "recall", "bad_filter", query="a", filter={"field": "no_such", "eq": 1})
    await refused(client, "list", "bad_request", order="sideways")
    await refused(client, "list", "bad_position", cursor="nonsense")
    await refused(client, "forget", "not_found", id=UNKNOWN)
    try:
        await client.call_tool("no_such_tool", {})
    except MCPError as error:
        assert error.error.code == -32602, error
    else:
        raise AssertionError("a tool that does not exist was called")


def clean():
    return {"PATH": os.environ["PATH"], "HOME": str(SCRATCH)}


def stdio(data, *arguments):
    arguments = ["mcp", "--no-env-file", "--data-dir", str(data), *arguments]
    return stdio_client(StdioServerParameters(command=SOMA, args=arguments, env=clean()))


@contextlib.asynccontextmanager
async def http(url, token=None):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with create_mcp_http_client(headers=headers) as session:
        yield streamable_http_client(url, http_client=session)


@contextlib.contextmanager
def server(data, **settings):
    """A running `soma up`; it has to end with 0 and without errors in its log."""
    log = data.with_suffix(".log")
    command = [SOMA, "up", "--no-env-file", "--data-dir", str(data), "--port", "0", "--metrics-port", "0", "--log-format", "json"]
    with log.open("w") as to:
        process = subprocess.Popen(command, env={**clean(), **settings}, stdout=subprocess.DEVNULL, stderr=to)
    try:
        with log.open() as lines:
            url = None
            while url is None:
                assert process.poll() is None, log.read_text()
                found = re.search(r'"api\.url":"([^"]+)"', lines.readline() or asyncio.run(asyncio.sleep(0.05)) or "")
                url = found and found.group(1)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        ended = process.wait(30)
    assert ended == 0, f"soma up ended with {ended}:\n{log.read_text()}"
    assert '"level":"ERROR"' not in log.read_text(), log.read_text()
    assert "kiln" not in log.read_text(), "what was remembered is in the log"


def status(url, headers=None, body=b"{}"):
    """What a bare request is answered with."""
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream", **(headers or {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method="POST" if body else "GET")) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


async def over_stdio(name, data, *arguments):
    for mode in MODES:
        async with Client(stdio(data, *arguments), mode=mode) as client:
            await play(client)
            print(f"{name}, {mode}: protocol {client.protocol_version}")


async def over_http(name, url, token=None):
    for mode in MODES:
        async with http(url, token) as transport, Client(transport, mode=mode) as client:
            await play(client)
            print(f"{name}, {mode}: protocol {client.protocol_version}")


async def side_by_side(data):
    """Two agents share a directory that no server has."""
    async with Client(stdio(data)) as one, Client(stdio(data)) as other:
        for turn in range(3):
            await one.call_tool("remember", {"text": f"Turn {turn} of the first agent."})
            found = await other.call_tool("recall", {"query": f"turn {turn} of the first agent"})
            assert f"Turn {turn}" in words(found), words(found)
    print("two agents share a directory")


def ends_with_its_input(data):
    """What is sent before the end of input is answered; nothing else is on standard output."""
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "smoke", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": HELLO, "params": hello},
        {"jsonrpc": "2.0", "method": f"notifications/{HELLO}d"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list", "arguments": {}}},
    ]
    command = [SOMA, "mcp", "--no-env-file", "--data-dir", str(data), "--log", "trace"]
    text = "".join(json.dumps(message) + "\n" for message in messages)
    run = subprocess.run(command, env=clean(), input=text, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run
    answers = {answer["id"]: answer for answer in map(json.loads, run.stdout.splitlines())}
    assert set(answers) == {1, 2} and "result" in answers[2], run.stdout
    process = subprocess.Popen(command, env=clean(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    process.stdin.write((json.dumps(messages[0]) + "\n").encode())
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0, "SIGTERM does not end it in order"
    print("it ends with its input, and at SIGTERM")


def main():
    own = SCRATCH / "own"
    asyncio.run(over_stdio("stdio on a directory", own, "--namespace", "agent"))
    asyncio.run(side_by_side(own))
    ends_with_its_input(own)
    subprocess.run([SOMA, "verify", "--no-env-file", "--data-dir", str(own)], env=clean(), check=True, stdout=subprocess.DEVNULL)

    with server(SCRATCH / "open") as url:
        asyncio.run(over_http("http", f"{url}/mcp"))
        asyncio.run(over_http("http in a namespace", f"{url}/mcp?namespace=agent"))
        asyncio.run(over_stdio("stdio on a server", SCRATCH / "open", "--namespace", "stdio"))
        for header in ({"host": "evil.example"}, {"origin": "https://evil.example"}):
            assert status(f"{url}/mcp", header) == 403, header
        assert status(f"{url}/mcp", body=None) == 405
        assert status(f"{url}/mcp", body=b"not json") in (400, 415)
        assert status(f"{url}/mcp?no_such=1") == 400

    token, reader = secrets.token_hex(16), secrets.token_hex(16)
    tokens = SCRATCH / "tokens"
    digest = lambda text: hashlib.sha256(text.encode()).hexdigest()
    tokens.write_text(
        "\n".join(
            json.dumps({"name": name, "sha256": digest(secret), "rights": rights, "namespaces": spaces})
            for name, secret, rights, spaces in (
                ("agent", token, ["read", "write"], ["default", "elsewhere"]),
                ("reader", reader, ["read"], ["default"]),
            )
        )
    )
    with server(SCRATCH / "guarded", SOMA_API_TOKENS_FILE=str(tokens)) as url:
        assert status(f"{url}/mcp") == 401
        assert status(f"{url}/mcp", {"authorization": "Bearer wrong"}) == 401
        asyncio.run(over_http("http with a token", f"{url}/mcp", token))
        asyncio.run(bound(f"{url}/mcp", reader))


async def bound(url, reader):
    """A token may do through tools what it may do anyway."""
    async with http(url, reader) as transport, Client(transport) as client:
        await refused(client, "remember", "forbidden", text="a")
        await refused(client, "recall", "forbidden", query="a", namespace="elsewhere")
        assert not (await client.call_tool("recall", {"query": "pages"})).is_error
    print("a token is bound to its rights and namespaces")


main()
print("the tools work with a real client")
