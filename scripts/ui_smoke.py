"""Does in a browser, by keyboard, what people do on `/ui` and `/docs`; see `scripts/ui-smoke`.

Each check is a function whose name says what holds. A page that writes an error to its console, throws,
or asks another origin for anything fails the check that it happened in.
"""

import re
import sys
import traceback
from pathlib import Path

from playwright.sync_api import expect, sync_playwright
from ui_smoke_world import MARKUP, NAMESPACE, World

QUESTION = "How good was the visibility on the last dive?"
ANSWER = "Last dive of the season and the visibility was nine metres."


def a_newcomer_is_told_what_to_do(world):
    page = world.open("#/browse?ns=nothing-here")
    expect(page.locator("#browse-empty pre")).to_contain_text("curl")
    world.api("POST", "/v1/memories", {"namespace": "nothing-here", "payload": {"text": "a first one"}})
    expect(page.locator("#browse-items .item:not(.ghost)")).to_contain_text("a first one", timeout=20_000)
    written = world.api("GET", "/v1/memories?namespace=nothing-here")["items"][0]["id"]
    world.api("DELETE", f"/v1/memories/{written}?wait=stored")
    page.keyboard.press("r")
    expect(page.locator("#browse-empty pre")).to_contain_text("curl")
    page.keyboard.press("2")
    expect(page.locator("#recall-empty pre")).to_contain_text("/v1/recall")
    page.keyboard.press("3")
    expect(page.locator("#live-empty pre")).to_contain_text(world.url)
    world.audit(page, "empty")


def memories_are_browsed_filtered_and_paged_by_keyboard(world):
    page = world.open("#/browse?ns=nothing-here")
    items = page.locator("#browse-items .item")
    page.keyboard.press("s")
    page.keyboard.type(NAMESPACE)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("ns=house"))
    expect(items).to_have_count(50)
    world.audit(page, "browse")
    world.shoot(page, "browse")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(items.nth(0).locator("a.open")).to_be_focused()
    for _ in range(50):
        page.keyboard.press("j")
    expect(page.locator("#browse-more")).to_be_focused()
    page.keyboard.press("Enter")
    expect(items).to_have_count(100)
    expect(items.nth(50).locator("a.open")).to_be_focused()
    page.locator("#browse-filter").focus()
    page.keyboard.type("actor = Ines and thread = helford-dive")
    page.keyboard.press("Enter")
    expect(items.first).to_contain_text("Ines")
    expect(page.locator("#browse-more")).to_be_hidden()
    assert 0 < items.count() < 50, items.count()
    page.locator("#browse-order").focus()
    page.keyboard.press("o")
    expect(page).to_have_url(re.compile("order=oldest"))
    page.reload()
    expect(page.locator("#browse-filter")).to_have_value("actor = Ines and thread = helford-dive")
    expect(page.locator("#browse-order")).to_have_value("oldest")


def a_memory_opens_with_its_history_and_its_json(world):
    page = world.open(f"#/browse?ns={NAMESPACE}&filter=seq+%3D+1")
    page.locator("#browse-items .item").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#detail-title")).to_be_focused()
    expect(page.locator("#detail .history li")).to_have_count(1)
    page.locator("#detail .json summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#detail .json pre")).to_contain_text('"event_id"')
    world.audit(page, "detail")
    world.shoot(page, "detail")
    page.keyboard.press("Escape")
    expect(page.locator("#detail")).to_be_hidden()
    expect(page.locator("#browse-items .item").first.locator("a.open")).to_be_focused()


def recall_shows_why_each_hit_is_one(world):
    page = world.open(f"#/browse?ns={NAMESPACE}")
    page.locator("#browse-items .item").first.wait_for()
    page.keyboard.press("/")
    expect(page.locator("#recall-query")).to_be_focused()
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    hits = page.locator("#recall-items .item")
    expect(hits).to_have_count(10)
    first = hits.first
    expect(first).to_contain_text(ANSWER)
    assert first.locator("mark").all_text_contents()[:3] == ["Last", "dive", "visibility"]
    expect(first.locator("details.why")).to_have_attribute("open", "")
    expect(first.locator(".part")).to_have_count(2)
    expect(first.locator(".why")).to_contain_text("raw BM25")
    widths = first.locator(".fill").evaluate_all("all => all.map((one) => one.getBoundingClientRect().width)")
    assert widths[0] > 2 * widths[1] > 0, widths
    world.audit(page, "recall")
    world.shoot(page, "recall")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("e")
    expect(first.locator("details.why")).not_to_have_attribute("open", "")
    page.keyboard.press("e")
    page.locator("#recall-mode").focus()
    page.keyboard.press("d")
    expect(page).to_have_url(re.compile("mode=dense"))
    expect(first.locator(".part")).to_have_count(1)
    expect(first.locator(".part")).to_contain_text("cosine")
    page.locator("#recall-top").fill("3")
    page.keyboard.press("Enter")
    expect(hits).to_have_count(3)
    page.locator("#recall-filter").fill("actor = Callum")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("Callum"))
    expect(first).to_contain_text("Callum")
    page.locator("#recall-filter").fill("{")
    page.keyboard.press("Enter")
    expect(page.locator("#recall-problem")).to_contain_text("What to do")
    world.audit(page, "problem")


def the_marked_words_are_those_that_the_server_shares(world):
    """Every shared word is in what the memory says, cut by the page's own rules, or beside its text."""
    page = world.open(f"#/recall?ns={NAMESPACE}")
    wrong, seen, lent = [], 0, 0
    for question in world.questions():
        body = {"namespace": NAMESPACE, "query": question, "explain": True, "top_k": 20}
        for hit in world.api("POST", "/v1/recall", body)["hits"]:
            terms, payload = hit["explain"]["terms"], hit["payload"]
            text = f"{payload.get('actor', '')}: {payload['text']}"
            found = page.evaluate(
                "async ([text, terms]) => (await import('/ui/stem.js')).pieces(text, terms).map((one) => one.term)",
                [text, terms],
            )
            rest = set(terms) - set(found) - world.day_stems(payload["occurred_at"])
            wrong += [(term, text) for term in rest]
            seen += len(terms)
            # What brought a hit here is in it or in a turn around it.
            assert terms or hit["explain"]["context"] or not hit["explain"]["bm25"], hit
            lent += len(hit["explain"]["context"])
    assert seen > 300 and lent > 100 and not wrong, (seen, lent, wrong[:10])
    print(f"    {seen} shared words, {lent} of turns nearby")


def markup_in_a_memory_is_text(world):
    world.api("POST", "/v1/memories?wait=stored", {"namespace": "markup", "payload": {"text": MARKUP, "actor": MARKUP, "thread": MARKUP}})
    world.api("POST", "/v1/memories?wait=stored", {"namespace": "markup", "payload": {MARKUP: MARKUP}})
    page = world.open("#/browse?ns=markup", allow=("TrustedHTML",))
    items = page.locator("#browse-items .item")
    expect(items).to_have_count(2)
    expect(page.locator("#browse-items")).to_contain_text(MARKUP)
    for target in ("#/recall?ns=markup&q=script+img", "#/live?ns=markup"):
        page.goto(f"{world.url}/ui{target}")
        page.locator("section:not([hidden]) .item a.open").first.wait_for()
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.locator("#detail")).to_contain_text("<img src=x onerror=")
        page.locator("#detail .json summary").click()
        page.keyboard.press("x")
        expect(page.locator("#forget-text")).to_contain_text("<img")
        page.keyboard.press("Escape")
        assert page.locator("main img, main script, aside img, aside script, dialog img").count() == 0
    assert page.evaluate("window.broken") is None, "a memory's markup ran"
    refused = page.evaluate("() => { try { document.createElement('p').innerHTML = '<b>x</b>'; return false; } catch { return true; } }")
    assert refused, "the policy lets a script make markup from text"


def a_text_is_remembered_and_forgotten(world):
    page = world.open("#/browse?ns=notes")
    page.locator("#browse-empty pre").wait_for()
    page.keyboard.press("n")
    expect(page.locator("#remember-text")).to_be_focused()
    expect(page.locator("#remember-namespace")).to_have_value("notes")
    world.audit(page, "remember")
    world.shoot(page, "remember")
    page.keyboard.type("The key to the shed hangs behind the clock.")
    page.locator("#remember-importance").fill("2.5")
    page.locator("#remember-text").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator("#remember")).to_be_hidden()
    expect(page.locator("#browse-items .item:not(.ghost)")).to_contain_text("behind the clock")
    expect(page.locator("#detail")).to_contain_text("2.5")
    page.keyboard.press("x")
    expect(page.locator("#forget [data-close]")).to_be_focused()
    world.audit(page, "forget")
    page.keyboard.press("Enter")
    expect(page.locator("#forget")).to_be_hidden()
    expect(page.locator("#browse-items .item:not(.ghost)")).to_have_count(1)
    page.keyboard.press("x")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#browse-empty")).to_contain_text("holds no memories yet")
    expect(page.locator("#detail")).to_be_hidden()
    assert world.api("GET", "/v1/memories?namespace=notes")["items"] == []


def arrivals_and_dead_letters_show_up_by_themselves(world):
    page = world.open("#/live?ns=house")
    tiles = page.locator("#live-tiles")
    expect(tiles).to_contain_text("ready")
    expect(page.locator("#live-items .item").first).to_be_visible()
    world.api("POST", "/v1/memories?wait=stored", {"namespace": NAMESPACE, "payload": {"text": "a fox crossed the yard"}})
    expect(page.locator("#live-items .item").first).to_contain_text("a fox crossed the yard")
    expect(page.locator("#live-items .item.fresh")).to_have_count(1)
    world.api("POST", "/v1/memories/batch?wait=stored", [{"namespace": NAMESPACE, "payload": {"text": f"knock {n}"}} for n in range(200)])
    world.dead_letter()
    letter = page.locator("#live-letters .letter")
    expect(letter).to_have_count(1)
    expect(letter).to_contain_text("namespace_mismatch")
    letter.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(letter.locator("pre")).to_contain_text('"headers"')
    expect(page.locator("#pulse-text")).to_contain_text("dead letter")
    expect(page.locator("#live-partitions tbody tr")).to_have_count(1)
    world.audit(page, "live")
    world.shoot(page, "live")
    page.locator("#live-all").check()
    expect(page.locator("#live-items .item").first).to_be_visible()
    page.keyboard.press("p")
    expect(page.locator("#live-pause")).to_have_text("Go on")


def the_help_names_the_keys_and_switches_them_off(world):
    page = world.open(f"#/browse?ns={NAMESPACE}")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    world.audit(page, "help")
    world.shoot(page, "help")
    page.locator("#keys-on").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("3")
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_hidden()
    expect(page.locator("#view-browse")).to_be_visible()
    page.keyboard.press("Tab")
    page.evaluate("localStorage.clear()")


def a_token_is_asked_for_and_stays_in_the_tab(world):
    with world.guarded() as other:
        page = world.open("#/browse?ns=house", url=other.url, allow=("401",))
        expect(page.locator("#token-dialog")).to_be_visible()
        world.audit(page, "token")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#browse-problem")).to_contain_text("What to do")
        expect(page.locator("#token-dialog")).to_be_visible()
        page.keyboard.type(other.token)
        page.keyboard.press("Enter")
        expect(page.locator("#browse-empty")).to_contain_text("holds no memories yet")
        expect(page.locator("#browse-empty pre")).not_to_contain_text(other.token)
        kept = page.evaluate("[sessionStorage.getItem('soma.token'), JSON.stringify(localStorage), document.cookie, location.href]")
        assert kept[0] == other.token and other.token not in "".join(kept[1:]), kept
        world.shoot(page, "token")


def the_server_going_away_is_said_with_a_remedy(world):
    with world.guarded() as other:
        page = world.open("#/live", url=other.url, allow=("401", "ERR_CONNECTION_REFUSED", "ERR_EMPTY_RESPONSE"))
        page.keyboard.type(other.token)
        page.keyboard.press("Enter")
        expect(page.locator("#live-tiles")).to_contain_text("ready")
        other.stop()
        expect(page.locator("#live-problem")).to_contain_text("the server does not answer", timeout=20_000)
        expect(page.locator("#live-problem")).to_contain_text("soma up")
        expect(page.locator("#pulse-text")).to_have_text("no answer")


def narrow_and_enlarged_pages_do_not_scroll_sideways(world):
    some = world.api("POST", "/v1/recall", {"namespace": NAMESPACE, "query": QUESTION, "top_k": 1})["hits"][0]["id"]
    asked = f"#/recall?ns={NAMESPACE}&q=How+good+was+the+visibility"
    targets = (f"#/browse?ns={NAMESPACE}", asked, f"#/live?ns={NAMESPACE}", f"{asked}&id={some}", "#/browse?ns=nothing-here", "#/browse?ns=markup")
    for name, options in (
        ("narrow", {"viewport": {"width": 360, "height": 740}}),
        # 1280 points at 200 % are 640 of the page's own.
        ("enlarged", {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2}),
    ):
        for number, target in enumerate(targets):
            page = world.open(target, **options)
            page.locator("section:not([hidden]) .item:not(.ghost), section:not([hidden]) .notice, #detail .history").first.wait_for(state="attached")
            width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width[0] <= width[1], (name, target, width)
            world.shoot(page, f"{name}-{number}")
            page.context.close()
        page = world.open(path="/docs", **options)
        page.locator("details.route").first.wait_for()
        page.locator("#recall summary").click()
        page.locator("#recall textarea").wait_for()
        width = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1], (name, "/docs", width)
        world.shoot(page, f"{name}-docs")
        page.context.close()


def both_schemes_are_readable(world):
    for scheme in ("light", "dark"):
        for name, target in (("recall", f"#/recall?ns={NAMESPACE}&q=How+good+was+the+visibility+on+the+last+dive%3F"), ("live", f"#/live?ns={NAMESPACE}"), ("browse", f"#/browse?ns={NAMESPACE}")):
            page = world.open(target, color_scheme=scheme)
            page.locator("section:not([hidden]) .item:not(.ghost)").first.wait_for()
            if name == "recall":
                page.keyboard.press("j")
                page.keyboard.press("Enter")
                page.locator("#detail .history").wait_for()
            world.audit(page, f"{name} {scheme}")
            world.shoot(page, f"{scheme}-{name}")
            page.context.close()


def the_page_of_the_api_lists_every_operation_and_tries_one(world):
    page = world.open(path="/docs")
    routes = page.locator("details.route")
    document = world.api("GET", "/openapi.json")
    wanted = sum(len(item) for item in document["paths"].values())
    expect(routes).to_have_count(wanted)
    assert page.locator("details.route").evaluate_all("all => all.map((one) => one.id)").count("") == 0
    page.keyboard.press("/")
    page.keyboard.type("recall")
    assert 0 < page.locator("details.route:visible").count() < wanted
    page.locator("#recall summary").focus()
    page.keyboard.press("Enter")
    page.locator("#recall textarea").fill('{"namespace": "house", "query": "dive", "top_k": 1}')
    page.locator("#recall button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#recall pre")).to_contain_text("200 OK")
    expect(page.locator("#recall pre")).to_contain_text('"hits"')
    world.audit(page, "docs")
    world.shoot(page, "docs")


CHECKS = [
    a_newcomer_is_told_what_to_do,
    memories_are_browsed_filtered_and_paged_by_keyboard,
    a_memory_opens_with_its_history_and_its_json,
    recall_shows_why_each_hit_is_one,
    the_marked_words_are_those_that_the_server_shares,
    markup_in_a_memory_is_text,
    a_text_is_remembered_and_forgotten,
    arrivals_and_dead_letters_show_up_by_themselves,
    the_help_names_the_keys_and_switches_them_off,
    a_token_is_asked_for_and_stays_in_the_tab,
    the_server_going_away_is_said_with_a_remedy,
    narrow_and_enlarged_pages_do_not_scroll_sideways,
    both_schemes_are_readable,
    the_page_of_the_api_lists_every_operation_and_tries_one,
]


def main(soma, browser, scratch, shots):
    failed = []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        print(f"chromium {chromium.version}")
        with World(chromium, soma, Path(scratch), Path(shots)) as world:
            for check in CHECKS:
                name = check.__name__.replace("_", " ")
                try:
                    check(world)
                    world.settle()
                    print(f"ok      {name}", flush=True)
                except Exception:  # One failed check does not hide the others.
                    traceback.print_exc()
                    print(f"FAILED  {name}", flush=True)
                    failed.append(name)
                finally:
                    world.close_pages()
        chromium.close()
    print(f"{len(CHECKS) - len(failed)} of {len(CHECKS)} checks of the pages passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
