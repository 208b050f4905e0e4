"""Opens a report of runs on the synthetic corpus in a real Chromium and checks what a person would see.

    report.py --smvae target/debug/smvae --chromium /usr/bin/chromium [--pictures DIR]

Trains a few small models on the demo's corpus, adds a hostile post and invented images, writes the page with `smvae
report`, and checks: nothing on the console, no connection, texts are texts, filters show what the predictions say, keys
work, no horizontal scrolling on a phone, light and dark. --pictures leaves screenshots of the page before the hostile post,
among them report.png, the README's: a shortened page. Written with Chromium 156 and Python 3.11.
"""

import argparse
import colorsys
import json
import pathlib
import struct
import subprocess
import tempfile
import zlib

from playwright.sync_api import sync_playwright

HOSTILE = ["<script>alert(1)</script>", "</script>", "<img", "src=x", "onerror=alert(2)>", "{{7*7}}", "\u2028", "Oslo"]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1180, "height": 900}
PAGE = 20
# Labelled posts and seeds of the runs, supervised and semi-supervised.
LABELS, SEEDS = [10, 20, 40], [0, 1]
# The run that is looked at.
RUN = "semi-40-0"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smvae", required=True)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--pictures", type=pathlib.Path)
    options = parser.parse_args()
    smvae = str(pathlib.Path(options.smvae).resolve())
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        work = pathlib.Path(work)
        runs, images = train(smvae, work), work / "images"
        run = runs / RUN / "predictions-valid.jsonl"
        draw_images(images, [post["image_id"] for post in read(run)])

        def report(name):
            page = work / name
            subprocess.run([smvae, "report", runs, "--images", images, "--out", page], check=True, capture_output=True)
            return page

        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        if options.pictures:
            take_pictures(browser, report("clean.html"), options.pictures)
        add_hostile(run)
        path = report("report.html")
        posts = read(run)
        for scheme in ["light", "dark"]:
            with_page(browser, path, DESKTOP, scheme, lambda page: check_desktop(page, posts))
            with_page(browser, path, PHONE, scheme, check_phone)
        backgrounds = {with_page(browser, path, DESKTOP, scheme, background) for scheme in ["light", "dark"]}
        assert len(backgrounds) == 2, f"light and dark look alike: {backgrounds}"
        browser.close()
    print("the report works in Chromium")


def train(smvae, work):
    """Runs with the demo's settings and fewer epochs."""
    demo = work / "demo"
    subprocess.run([smvae, "demo", "--out", demo], check=True, capture_output=True)
    data = ["--data", demo / "corpus", "--image-features", demo / "corpus/features.safetensors", "--text-encoder", "tiny"]
    for semi, name in [("0", "supervised"), ("1", "semi")]:
        for labels in LABELS:
            for seed in SEEDS:
                size = ["--labelled", str(labels), "--seed", str(seed), "--epochs", "20", "--semi", semi]
                config = ["--config", demo / "supervised/config.json", "--out", work / f"runs/{name}-{labels}-{seed}"]
                subprocess.run([smvae, "train", *data, *config, *size], check=True, capture_output=True)
    return work / "runs"


def with_page(browser, path, viewport, scheme, check):
    """Opens the page, runs a check, and fails on anything on the console, a dialog or a connection."""
    faults = []
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda message: message.type in ("error", "warning") and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: (faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: request.url.startswith(("file:", "data:")) or faults.append(request.url))
    page.goto(path.as_uri())
    result = check(page)
    context.close()
    assert not faults, faults
    return result


def check_desktop(page, posts):
    page.select_option("#run", label=RUN)
    # F1 against labels, the loss, dev, reliability.
    assert page.locator("canvas:visible").count() == 4, "charts are missing"
    assert page.locator("script").count() == 3, "a post became a script"
    shown(page, len(posts), posts)
    for kind in ["any", "missed", "spurious", "wrong-type", "wrong-boundary", "correct"]:
        page.select_option("#kind", kind)
        shown(page, sum(has(post, kind) for post in posts), posts)
        marks = "mark:not(.correct)" if kind == "any" else f"mark.{kind}"
        items = page.locator("#list > li")
        for i in range(items.count()):
            assert items.nth(i).locator(marks).count() > 0, f"{kind}: a post without one"
    page.select_option("#kind", "missed")
    page.select_option("#type", "PER")
    shown(page, sum(any(o == "missed" and e["label"] == "PER" for e, o in judge(post)[0]) for post in posts), posts)
    page.select_option("#kind", "")
    page.select_option("#type", "")
    # The keyboard alone.
    page.focus("#kind")
    page.keyboard.press("ArrowDown")
    shown(page, sum(has(post, "any") for post in posts), posts)
    page.keyboard.press("ArrowUp")
    page.focus("#next")
    page.keyboard.press("Enter")
    assert page.inner_text("#page").startswith("page 2 of"), page.inner_text("#page")
    page.fill("#search", "<SCRIPT>alert(1)")
    shown(page, 1, posts)
    text = page.inner_text("#list")
    for word in HOSTILE[:6]:
        assert word in text, f"{word} is not shown as it is: {text}"
    assert page.locator("#list img").count() == 1, "the image of the post is missing, or there is one too many"
    page.fill("#search", "no such words")
    shown(page, 0, posts)
    page.fill("#search", "")
    # Terms of the loss, by the keyboard.
    box = page.locator("#terms input").nth(2)
    box.focus()
    before = page.locator("#train-chart .u-series").count()
    page.keyboard.press("Space")
    assert page.locator("#train-chart .u-series").count() == before + 1, "a term was not added"
    page.locator("#log").check()
    page.locator("#curves-table summary").click()
    # The table is made by the fold's `toggle`, which comes after the click has returned.
    page.locator("#curves-table tbody tr").nth(1).wait_for()
    # Another run.
    other = f"supervised-{LABELS[0]}-0"
    page.select_option("#run", label=other)
    assert page.locator("article.run:visible").count() == 1
    assert page.locator("article.run:visible h3").first.inner_text().startswith(other)
    no_horizontal_scroll(page)


def check_phone(page):
    for fold in page.locator("details:visible > summary").all():
        fold.click()
    no_horizontal_scroll(page)
    for name in page.locator("#run option").all_inner_texts():
        page.select_option("#run", label=name)
        no_horizontal_scroll(page)
    page.set_viewport_size({"width": 844, "height": 390})
    no_horizontal_scroll(page)


def no_horizontal_scroll(page):
    widths = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert widths[0] <= widths[1], f"the page is {widths[0]} wide in a window of {widths[1]}"


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")


def shown(page, want, posts):
    got = page.inner_text("#count")
    assert got == f"{want} of {len(posts)} posts", f"{got!r}, not {want}"
    assert page.locator("#list > li").count() == min(want, PAGE)


def judge(post):
    """What the filters should go by, written a second time: gold and predicted entities, each with its outcome."""

    def side(these, others, unmatched):
        judged = []
        for e in these:
            equal = [o for o in others if (o["start"], o["end"]) == (e["start"], e["end"])]
            touching = [o for o in others if o["label"] == e["label"] and o["start"] < e["end"] and e["start"] < o["end"]]
            if equal:
                judged.append((e, "correct" if equal[0]["label"] == e["label"] else "wrong-type"))
            else:
                judged.append((e, "wrong-boundary" if touching else unmatched))
        return judged

    gold, predicted = post["gold"], post["entities"]
    return side(gold, predicted, "missed"), side(predicted, gold, "spurious")


def has(post, kind):
    outcomes = [outcome for side in judge(post) for _, outcome in side]
    return any(outcome != "correct" for outcome in outcomes) if kind == "any" else kind in outcomes


def read(path):
    # Not splitlines(), which also splits at U+2028.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def add_hostile(path):
    """A post of every kind of mistake whose words are markup."""
    first = read(path)[0]
    score = {"score": 0.6, "probabilities": [0.4] + [0.0] * (len(probabilities(path)) - 2) + [0.6]}
    post = {
        "image_id": first["image_id"],
        "words": HOSTILE,
        "gold": [{"start": 0, "end": 2, "label": "PER"}, {"start": 7, "end": 8, "label": "LOC"}],
        "entities": [{"start": 1, "end": 3, "label": "PER", **score}, {"start": 7, "end": 8, "label": "ORG", **score}],
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(post, ensure_ascii=False) + "\n")


def probabilities(path):
    return next(e["probabilities"] for post in read(path) for e in post["entities"])


def draw_images(folder, ids):
    """Invented images: two bands of colour each."""
    folder.mkdir()
    for i, name in enumerate(ids):
        colours = [bytes(int(255 * c) for c in colorsys.hsv_to_rgb(i * 0.618 % 1 + turn, 0.45, 0.8)) for turn in (0, 0.12)]
        rows = [b"\0" + colours[row * 2 // 90] * 120 for row in range(90)]
        (folder / f"{name}.png").write_bytes(png(120, 90, b"".join(rows)))


def png(width, height, rows):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def take_pictures(browser, path, folder):
    """The whole page in light, in dark and on a phone, and a shortened one for the README."""
    folder.mkdir(parents=True, exist_ok=True)

    def picture(name, viewport, scheme, prepare=lambda page: None):
        def take(page):
            page.select_option("#run", label=RUN)
            page.select_option("#kind", "any")
            prepare(page)
            page.screenshot(path=folder / name, full_page=True)

        with_page(browser, path, viewport, scheme, take)

    def shorten(page):
        # Without settings, runs, dev's curves and all posts but four.
        hide = "#runs, #labels .scroll, .check, #curves h3, #dev-chart, #curves details, article h3:first-of-type, " \
               "article h3:first-of-type + .scroll, article > details, #list > li:nth-child(n+5), .pages, footer"
        page.add_style_tag(content=f"{hide} {{ display: none !important }}")

    picture("light.png", DESKTOP, "light")
    picture("dark.png", DESKTOP, "dark")
    picture("phone.png", PHONE, "light")
    picture("report.png", DESKTOP, "light", shorten)


if __name__ == "__main__":
    main()
