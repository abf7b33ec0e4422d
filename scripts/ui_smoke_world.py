"""What the checks of `scripts/ui_smoke.py` stand on: servers with an example, pages that are watched."""

import json
import re
import secrets
import subprocess
import threading
import urllib.request
from datetime import datetime
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe

NAMESPACE = "house"
MARKUP = "<img src=x onerror=\"window.broken=1\"><script>window.broken=2</script>\"'><svg onload=window.broken=3>"
PATIENCE_MS = 15_000
START_SECONDS = 60


class Server:
    """A `soma up` of its own, on an empty directory and a free port."""

    def __init__(self, soma, folder, token=None):
        self.token = token
        settings = {"SOMA_API_TOKEN": token} if token else {}
        command = [soma, "up", "--no-env-file", "--data-dir", str(folder), "--port", "0", "--metrics-port", "0", "--log-format", "json"]
        self.process = subprocess.Popen(command, env=settings, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        clock = threading.Timer(START_SECONDS, self.process.kill)
        clock.start()
        self.url, self.log = None, []
        for line in self.process.stderr:
            self.log.append(line)
            if '"soma is ready"' in line:
                self.url = json.loads(line)["api.url"]
                break
        clock.cancel()
        if self.url is None:
            raise RuntimeError("soma up ended before it was ready:\n" + "".join(self.log))
        self.drain = threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True)
        self.drain.start()

    def stop(self):
        """Ends it; whether it ended well, and logged no error."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=START_SECONDS)
        self.drain.join()
        errors = [line for line in self.log if '"level":"ERROR"' in line]
        assert code == 0 and not errors, (code, errors[:5])

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()


class World:
    """One server with the example conversation, and a browser whose pages are watched."""

    def __init__(self, browser, soma, scratch, shots):
        self.browser, self.soma, self.scratch, self.shots = browser, soma, scratch, shots
        self.root = Path(__file__).resolve().parent.parent
        self.pages, self.wrong, self.axe = [], [], Axe()
        shots.mkdir(parents=True, exist_ok=True)

    def __enter__(self):
        self.server = Server(self.soma, self.scratch / "data")
        self.url = self.server.url
        lines = (self.root / "examples/conversation.jsonl").read_text().splitlines()
        for start in range(0, len(lines), 200):
            items = [{"namespace": NAMESPACE, "payload": json.loads(line)} for line in lines[start : start + 200]]
            self.api("POST", "/v1/memories/batch?wait=stored", items)
        return self

    def __exit__(self, *failure):
        self.server.stop()

    def guarded(self):
        """Another server, which asks for a token."""
        token = secrets.token_hex(16)
        return Server(self.soma, self.scratch / f"guarded-{token[:8]}", token)

    def questions(self):
        """Some of the example's questions."""
        lines = (self.root / "examples/questions.jsonl").read_text().splitlines()
        return [json.loads(line)["question"] for line in lines][:30]

    def api(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"}, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def dead_letter(self):
        """Two namespaces write under one new id at once: the log's order refuses the second."""
        one = {"type": "created", "id": "0190b8a0-0000-7000-8000-0000000d0001", "timestamp": "2026-01-01T00:00:00Z", "payload": {"text": MARKUP}}
        first = {**one, "event_id": "0190b8a0-0000-7000-8000-0000000e0001", "namespace": NAMESPACE}
        second = {**one, "event_id": "0190b8a0-0000-7000-8000-0000000e0002", "namespace": "elsewhere"}
        self.api("POST", "/v1/events", [first, second])

    def day_stems(self, occurred):
        """The words of a memory's day, which are indexed beside its text, as stems."""
        day = datetime.fromisoformat(occurred.replace("Z", "+00:00"))
        words = re.findall(r"[a-z0-9]+", day.strftime("%A %d %B %Y %b %a").lower())
        stems = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"} & set(words)
        stems |= {re.sub("y$", "i", word) for word in words} | {word.lstrip("0") for word in words} | set(words)
        return stems | {re.sub("(e|er)$", "", word) for word in words}

    def open(self, target="", path="/ui", url=None, allow=(), **options):
        """A page of a browser that has seen nothing yet; `allow` names console errors that belong to the check."""
        origin = url or self.url
        context = self.browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()

        def hear(message):
            if message.type in ("error", "warning") and not any(word in message.text for word in allow):
                self.wrong.append(f"console: {message.text}")

        page.on("console", hear)
        page.on("pageerror", lambda error: self.wrong.append(f"thrown: {error}"))
        page.on("request", lambda request: request.url.startswith((origin, "data:")) or self.wrong.append(f"asked elsewhere: {request.url}"))
        page.goto(f"{origin}{path}{target}")
        self.pages.append(context)
        if path == "/ui":
            page.locator("section:not([hidden])").wait_for(state="attached")
        return page

    def audit(self, page, name):
        """No violation of WCAG 2 A and AA that axe finds."""
        options = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}}
        found = self.axe.run(page, options=options).response["violations"]
        told = [(one["id"], one["help"], [(node["html"][:160], node.get("any", [{}])[:1]) for node in one["nodes"][:2]]) for one in found]
        assert not told, f"{name}: " + "\n".join(map(str, told))

    def shoot(self, page, name):
        page.screenshot(path=self.shots / f"{name}.png")

    def settle(self):
        """Nothing went wrong beside what the check looked at."""
        wrong, self.wrong = self.wrong, []
        assert not wrong, "\n".join(wrong)

    def close_pages(self):
        for context in self.pages:
            context.close()
        self.pages, self.wrong = [], []
