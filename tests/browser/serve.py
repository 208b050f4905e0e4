"""Opens the page of `smvae serve` in a real Chromium and checks what a person would see.

    serve.py --smvae target/debug/smvae --chromium /usr/bin/chromium [--axe axe.min.js] [--pictures DIR] [--page DIR]

Trains a small model on the demo's corpus with invented pictures, whose colour tells the label, and starts the service.
Checks: the keyboard alone finds entities; texts are texts; offsets after an emoji; with and without a picture; candidates;
links; what is copied, which is run as curl and as Python; every error a person can meet; no horizontal scrolling on a phone;
nothing on the console and no connection but to the service; axe-core (without --axe, this is left out). --pictures leaves
screenshots, among them serve.png of docs/serve.md. --page takes the parts of the page from a folder instead of from the
program, to work on it without a build. Written with Chromium 156 and Python 3.11.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from playwright.sync_api import sync_playwright
from pictures import colour_png, gradient_png, train
from report import DESKTOP, no_horizontal_scroll
from visit import (
    Tester,
    answered,
    ask,
    background,
    copied,
    error,
    example,
    found,
    marks,
    ready,
    rounded,
    service,
    shown_text,
    wait_until,
    with_picture,
)

PHONE = {"width": 360, "height": 740}
KEY = "correct-horse-battery"
HOSTILE = '<script>alert(1)</script> </script><img src=x onerror=alert(2)> {{7*7}} \u2028 & &lt;b&gt; it\'s "so" $HOME `id` 100% \\n\nend'


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smvae", required=True)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--axe", type=pathlib.Path)
    parser.add_argument("--pictures", type=pathlib.Path)
    parser.add_argument("--page", type=pathlib.Path)
    options = parser.parse_args()
    smvae = str(pathlib.Path(options.smvae).resolve())
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        work = pathlib.Path(work)
        run, post = train(smvae, work)
        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        with service(smvae, run) as address:
            tester = Tester(browser, address, options)
            tester.visit(check_keyboard, name="the keyboard", post=post)
            tester.visit(check_texts, name="texts")
            tester.visit(check_pictures, name="pictures", post=post, folder=work)
            tester.visit(check_candidates, name="candidates", post=post)
            tester.visit(check_link, name="links")
            tester.visit(check_copies, name="copies", post=post, folder=work)
            tester.visit(check_refusals, name="refusals", may_fail=True)
            for scheme in ["light", "dark"]:
                tester.visit(check_phone, PHONE, scheme, name="a phone")
                tester.visit(tester.check_axe, PHONE, scheme, name="axe-core on a phone", bypass_csp=True)
                tester.visit(tester.check_axe, DESKTOP, scheme, name="axe-core", bypass_csp=True)
            colours = {tester.visit(background, DESKTOP, scheme, name="colours") for scheme in ["light", "dark"]}
            assert len(colours) == 2, f"light and dark look alike: {colours}"
            if options.pictures:
                take_pictures(tester, options.pictures)
        with service(
            smvae,
            run,
            "--no-images",
            "--upload-bytes",
            "100000",
            "--body-bytes",
            "100000",
            "--max-words",
            "40",
            key=KEY,
        ) as address:
            tester = Tester(browser, address, options)
            tester.visit(check_key, name="the key", may_fail=True)
        with service(smvae, run, "--upload-bytes", "100000", "--max-pixels", "1000") as address:
            tester = Tester(browser, address, options)
            tester.visit(check_limits, name="limits", folder=work, may_fail=True)
        browser.close()
    print("the page of the service works in Chromium" + ("" if options.axe else " (without axe-core)"))


def check_keyboard(page, post):
    ready(page)
    focus = lambda: page.evaluate("document.activeElement.id")
    page.keyboard.press("Tab")
    assert focus() == "text", focus()
    page.keyboard.insert_text(post["text"])
    page.keyboard.press("Control+Enter")
    found(page)
    assert page.evaluate("document.title") and page.locator("html").get_attribute("lang") == "en"
    assert page.locator("#panes mark").count() >= 1, "nothing is marked"
    # Everything else in its order, each with a ring around it.
    for stop in ["picture", "send", "example", "link"]:
        page.keyboard.press("Tab")
        assert focus() == stop, f"{focus()}, not {stop}"
        target = "#choose" if stop == "picture" else f"#{stop}"
        assert (
            page.locator(target).evaluate("(e) => getComputedStyle(e).outlineStyle") == "solid"
        ), f"{stop} shows no focus"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#all").get_attribute("open") is not None
    page.locator("#all-table tbody tr").first.wait_for()
    page.keyboard.press("Tab")
    assert focus() == "all-table"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.locator("#all-table th[aria-sort]").inner_text() == "Text"
    assert page.evaluate("document.activeElement.textContent") == "Text", "sorting lost the focus"
    # The next ones by the keyboard, too.
    page.focus("#program summary")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.locator("#code").inner_text().startswith("curl ")
    page.keyboard.press("Tab")
    assert focus() == "copy"


def check_texts(page):
    ready(page)
    answer = ask(page, HOSTILE)
    assert answer["text"] == HOSTILE
    assert shown_text(page) == HOSTILE, f"{shown_text(page)!r}"
    assert page.locator("script").count() == 1 and page.locator("#panes img").count() == 0, "a post became markup"
    # Two code units, four of them, a flag, letters beyond the first plane, an accent of its own, line breaks.
    text = "😅 👩‍👩‍👧 🇳🇴 𝒜 e\u0301 \r\n happy birthday to Zunon tomorrow 🎉 flying to Bodomi".replace("\r", "")
    answer = ask(page, text)
    assert answer["entities"], "nothing was found after an emoji"
    marks(page, answer)
    # Every place a mark can be, whatever the model thinks.
    made = [
        {
            "start": text.index(word),
            "end": text.index(word) + len(word),
            "text": word,
            "label": "PER",
            "score": 0.9,
            "words": [0, 1],
        }
        for word in ["👩‍👩‍👧", "𝒜", "Zunon", "🎉"]
    ]
    with answered(page, json.dumps({"text": text, "words": text.split(), "entities": made})):
        marks(page, ask(page, text))
    # What was cut.
    text = "flying to Oslo 🎉 tomorrow , so tired"
    cut = {"text": text, "words": text.split(), "entities": [], "words_cut": 2}
    with answered(page, json.dumps(cut)):
        ask(page, text)
    assert page.locator("#cut").inner_text().startswith("The model did not read the last 2 words"), page.locator(
        "#cut"
    ).inner_text()
    assert page.locator("#panes s").text_content() == " so tired"
    ask(page, "Oslo")
    assert page.locator("#cut").is_hidden() and page.locator("#panes s").count() == 0
    page.fill("#text", "  \n ")
    page.click("#send")
    error(page, "text", "Write or paste a text first.")
    no_horizontal_scroll(page)


def check_pictures(page, post, folder):
    ready(page)
    alone = ask(page, post["text"])
    assert page.locator("#panes > div").count() == 1 and page.locator("#moves").is_hidden()
    with_picture(page, folder / "images" / f"{post['image']}.png")
    both = ask(page, post["text"])
    assert isinstance(both, list) and len(both) == 2, "one request has both"
    # But for what a batch rounds otherwise.
    assert rounded(both[1]) == rounded(alone), f"without the picture {both[1]} is not as it was alone: {alone}"
    assert page.locator("#panes h3").all_inner_texts() == ["With the picture", "Without it"]
    for pane, answer in zip(page.locator("#panes > div").all(), both):
        marks(pane, answer)
    # How far each score was moved.
    union = {(e["text"], e["label"]) for answer in both for e in answer["entities"]}
    rows = page.locator("#moves-table tbody tr")
    assert rows.count() == len(union), f"{rows.count()} rows of {union}"
    assert {tuple(row.locator("th").inner_text().split("\n")[0].rsplit(" ", 1)) for row in rows.all()} == union
    moved = 0
    for row in rows.all():
        before, after = (float(cell.strip("≤<%")) for cell in row.locator("td").all_inner_texts()[:2])
        by = row.locator("td").nth(2).inner_text().strip()
        got = float(by.lstrip("≥≤").replace("−", "-").replace("±", ""))
        assert abs(after - before - got) <= 0.21, f"{before} to {after} is not {by}"
        moved += abs(got) > 1
    assert moved, f"the picture moves nothing: {page.inner_text('#moves')}"
    no_horizontal_scroll(page)
    # Without it again.
    page.click("#remove")
    assert page.evaluate("document.activeElement.id") == "picture"
    ask(page, post["text"])
    assert page.locator("#panes > div").count() == 1 and page.locator("#moves").is_hidden()
    # Dropped, and pasted.
    for event in ["drop", "paste"]:
        page.evaluate(
            """([event, bytes]) => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
                const made = event === "drop"
                    ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
                    : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
                document.body.dispatchEvent(made);
            }""",
            [event, list(colour_png("LOC"))],
        )
        assert page.locator("#picture-name").inner_text().startswith("dropped.png"), event
        page.click("#remove")
    # What is no picture.
    page.set_input_files("#picture", {"name": "a.svg", "mimeType": "image/svg+xml", "buffer": b"<svg/>"})
    error(page, "picture", "a.svg is no picture that can be read: JPEG, PNG, GIF, WebP and BMP can.")


def check_candidates(page, post):
    ready(page)
    ask(page, post["text"])
    with page.expect_response("**/v1/predict?candidates=*") as response:
        page.click("#all summary")
    candidates = response.value.json()["candidates"]
    rows = page.locator("#all-table tbody tr")
    rows.first.wait_for()
    if page.locator("#more").is_visible():
        page.click("#more")
    assert rows.count() == len(candidates), f"{rows.count()} of {len(candidates)}"
    texts = lambda: [row.inner_text().split("\n")[0] for row in page.locator("#all-table tbody th").all()]
    labels = lambda: page.locator("#all-table tbody td:nth-child(2)").all_inner_texts()
    scores = lambda: [
        float(cell.strip("<%")) for cell in page.locator("#all-table tbody td:nth-child(3)").all_inner_texts()
    ]
    assert scores() == sorted(scores(), reverse=True), "the likeliest are not first"
    assert page.locator("#all-table th[aria-sort=descending]").inner_text() == "Score"
    assert sorted(texts()) == sorted(c["text"] for c in candidates)
    page.click("#all-table th button >> text=Score")
    assert scores() == sorted(scores()) and page.locator("#all-table th[aria-sort=ascending]").count() == 1
    page.click("#all-table th button >> text=Label")
    assert labels() == sorted(labels())
    page.click("#all-table th button >> text=Text")
    assert texts()[0] == min(candidates, key=lambda c: (c["start"], -c["score"]))["text"]
    # Unfolded while the model is asked.
    page.click("#all summary")
    page.route("**/v1/predict", lambda route: (page.wait_for_timeout(300), route.continue_()))
    page.fill("#text", "flying to Bodomi again")
    with page.expect_response("**/v1/predict?candidates=*") as response:
        page.click("#send")
        page.click("#all summary")
    all_of_it = response.value.json()
    assert all_of_it["text"] == "flying to Bodomi again"
    rows = "document.querySelectorAll('#all-table tbody tr').length"
    wait_until(page, f"{rows} === {len(all_of_it['candidates'])}")
    # They stay for the next post.
    assert "candidates" in ask(page, "flying to Bodomi")


def check_link(page):
    ready(page)
    text = "😅 a+b & c=d #e 100% Bodomi\nnew line"
    page.fill("#text", text)
    page.click("#link")
    page.locator("#status", has_text="Copied").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(page.url.split("#")[0] + "#text="), link
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto("about:blank")
    page.goto(link)
    found(page)
    assert page.input_value("#text") == text and shown_text(page) == text
    assert not any("Bodomi" in url.split("#")[0] for url in asked), "a server saw the text"
    # Another one in the same page.
    page.evaluate("location.hash = '#text=Oslo'")
    wait_until(page, "document.querySelector('#panes').textContent.includes('Oslo')")
    for bad in ["#text=%E0%A4%A", "#text=", "#x", "#text=%00"]:
        page.evaluate("(hash) => (location.hash = hash)", bad)
    page.wait_for_timeout(100)


def check_copies(page, post, folder):
    ready(page)
    for text, picture in [(HOSTILE, None), (post["text"], None), (HOSTILE, folder / "images" / f"{post['image']}.png")]:
        if picture:
            with_picture(page, picture)
        ask(page, text)
        if page.locator("#program").get_attribute("open") is None:
            page.click("#program summary")
        want = json.loads(copied(page, "json"))
        assert want["text"] == text
        told = subprocess.run(
            ["bash", "-c", copied(page, "curl") + " --silent"], cwd=folder / "images", capture_output=True, check=True
        )
        assert json.loads(told.stdout) == want, f"{told.stdout} is not {want}"
        told = subprocess.run(
            [sys.executable, "-c", copied(page, "python")],
            cwd=folder / "images",
            capture_output=True,
            check=True,
            text=True,
        )
        lines = "".join(f"{e['label']} {e['text']} {round(e['score'], 3)}\n" for e in want["entities"])
        assert told.stdout == lines, f"{told.stdout!r} is not {lines!r}"
    # Where the clipboard is closed, the text is selected.
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.click("#copy")
    page.locator("#status", has_text="The text is selected").wait_for()
    assert page.evaluate("getSelection().toString()").strip() == page.locator("#code").inner_text().strip()
    page.click("#link")
    page.locator("#status", has_text="The link is in the address bar").wait_for()
    assert "#text=" in page.url


def check_refusals(page):
    ready(page)
    page.fill("#text", "Oslo")
    problem = lambda code, message, field=None: json.dumps(
        {"error": {"code": code, "message": message, "post": 0, "field": field}}
    )
    # Busy once, then not.
    full = problem("queue_full", "9 posts wait for the model, and there is no room for these: try again later")
    with answered(page, full, 429, {"retry-after": "1"}, times=1):
        page.click("#send")
        page.locator("#status", has_text="This page asks again in 1 second.").wait_for()
        assert page.locator("#send").inner_text() == "Stop"
        found(page)
    # Busy for long: a person can stop it.
    with answered(page, full, 429, {"retry-after": "60"}):
        page.click("#send")
        page.locator("#status", has_text="in 60 seconds").wait_for()
        page.click("#send")
        page.locator("#status", has_text="Stopped").wait_for()
        assert page.locator("#send").inner_text() == "Find entities"
    cases = [
        (
            503,
            problem("draining", "the service is ending: ask another one"),
            "other",
            "The service is ending: ask another one.",
        ),
        (
            413,
            problem("too_many_words", "the post has 9 words, the limit is 4: cut it", "text"),
            "text",
            "The post has 9 words, the limit is 4: cut it.",
        ),
        (422, problem("bad_picture", "the file is empty", "image"), "picture", "The file is empty."),
        (
            500,
            problem("internal", "the service failed at this request"),
            "other",
            "The service failed at this request.",
        ),
        (
            504,
            problem("request_time", "there was no answer within 30 seconds"),
            "other",
            "There was no answer within 30 seconds.",
        ),
        (502, "<html>Bad gateway</html>", "other", "The service answers with status 502."),
        (200, "not JSON", "other", "The service answers with status 200."),
    ]
    for status, body, field, message in cases:
        with answered(page, body, status):
            page.click("#send")
            error(page, field, message)
    page.route("**/v1/predict", lambda route: route.abort())
    page.click("#send")
    error(page, "other", "The service does not answer. Is it running, and can this browser reach it?")
    page.unroute("**/v1/predict")
    page.click("#send")
    found(page)
    for field in ["text", "picture", "other"]:
        assert page.locator(f"#{field}-error").inner_text() == "", "an error stays"


def check_key(page):
    page.locator("#key-form").wait_for()
    assert page.locator("#picture-field").is_hidden()
    page.fill("#key", "wrong-key-of-it")
    page.keyboard.press("Enter")
    error(page, "key", "This is not its key.")
    page.fill("#text", "flying to Bodomi")
    page.fill("#key", KEY)
    page.keyboard.press("Enter")
    found(page)
    assert page.locator("#key-form").is_hidden()
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0 and KEY not in page.content()
    page.click("#program summary")
    for form in ["curl", "python"]:
        told = copied(page, form)
        assert KEY not in told and "SMVAE_KEY" in told, told
    shell = {**os.environ, "SMVAE_KEY": KEY}
    told = subprocess.run(
        ["bash", "-c", copied(page, "curl") + " --silent"], env=shell, capture_output=True, check=True
    )
    assert json.loads(told.stdout)["text"] == "flying to Bodomi"
    page.fill("#text", "word " * 41)
    page.click("#send")
    error(page, "text", "The post has 41 words, the limit is 40: cut it.")
    page.reload()
    page.locator("#key-form").wait_for()


def check_limits(page, folder):
    ready(page)
    page.fill("#text", "flying to Bodomi")
    page.set_input_files("#picture", {"name": "big.png", "mimeType": "image/png", "buffer": b"0" * 100_000})
    error(page, "picture", "The picture has 98 KiB, the limit is 49 KiB.")
    page.set_input_files("#picture", {"name": "wide.png", "mimeType": "image/png", "buffer": colour_png("LOC", 64)})
    page.click("#send")
    page.locator("#picture-error:not(:empty)").wait_for()
    assert "pixels" in page.inner_text("#picture-error"), page.inner_text("#picture-error")
    page.set_input_files("#picture", {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"})
    page.click("#send")
    page.locator("#picture-error:not(:empty)").wait_for()


def check_phone(page):
    ready(page)
    no_horizontal_scroll(page)
    example(page)
    for fold in ["#all", "#program", "#model"]:
        page.click(f"{fold} summary")
    page.locator("#all-table tbody tr").first.wait_for()
    no_horizontal_scroll(page)
    for form in ["curl", "python"]:
        page.click(f"label[for=as-{form}]")
        no_horizontal_scroll(page)
    for text in [HOSTILE, "x" * 400, "https://example.org/" + "y" * 300, "Bodomi" * 40]:
        ask(page, text)
        no_horizontal_scroll(page)
    page.set_viewport_size({"width": 740, "height": 360})
    no_horizontal_scroll(page)


def take_pictures(tester, folder):
    """The page at three widths in light and dark, and a shortened one for the documents."""
    folder.mkdir(parents=True, exist_ok=True)

    def take(page, name, whole):
        example(page)
        page.mouse.move(0, 0)
        if whole:
            for fold in ["#all", "#program", "#model"]:
                page.click(f"{fold} summary")
            page.locator("#all-table tbody tr").first.wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=folder / name, full_page=True)

    for width in [360, 800, 1200]:
        for scheme in ["light", "dark"]:
            size, name = {"width": width, "height": 900}, f"serve-{width}-{scheme}.png"
            tester.visit(lambda page: take(page, name, True), size, scheme, name="a picture")

    def take_shortened(page):
        ready(page)
        page.set_input_files("#picture", {"name": "rose.png", "mimeType": "image/png", "buffer": gradient_png()})
        ask(page, "Thinking about Tefu Zunon finally")
        page.add_style_tag(content="#all, #program, #model, footer { display: none }")
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur()")
        page.screenshot(path=folder / "serve.png", full_page=True)

    tester.visit(take_shortened, {"width": 760, "height": 800}, name="a picture", bypass_csp=True)


if __name__ == "__main__":
    main()
