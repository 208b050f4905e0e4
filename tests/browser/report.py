"""Opens a report of an experiment on the synthetic corpus in a real Chromium and checks what a person would see.

    report.py --smvae target/debug/smvae --chromium /usr/bin/chromium [--axe axe.min.js] [--pictures DIR]

Runs a small experiment on the demo's corpus, adds a hostile post and invented images, writes the page with `smvae report`,
and checks: nothing on the console, no connection, texts are texts, the answer comes first, filters show what the
predictions say, tables sort and say that they are wider than a phone, keys work, rules of accessibility (axe-core), no
horizontal scrolling, light and dark, and what is there without JavaScript. --pictures leaves screenshots of the page before
the hostile post, among them report.png, the README's: a shortened page. Written with Chromium 156 and Python 3.11.
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
PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1180, "height": 900}
PAGE = 20
EXPERIMENT = """
text_encoder = "tiny"
baseline = "text-only"

[corpora.synthetic]
data = "corpus"
image_features = "corpus/features.safetensors"

[settings]
training = { encoder_lr = 1e-3, head_lr = 2e-3, epochs = 24, eval_every = 3, batch_size = 5, dropout = 0.2, negatives = 3.0 }
model = { hidden_dim = 64, latent_dim = 16 }
objective = { kl_weight = 0.01 }
input = { max_width = 2 }

[methods.text-only]
images = false

[methods.text-and-image]

[methods.semi]
training = { semi = true }

[[grids]]
corpora = ["synthetic"]
methods = ["text-only", "text-and-image", "semi"]
labels = [10, 20, 40]
draws = [0, 1, 2]
text_alone = true
"""
# Posts that are suggested, and those of them that are shown at first.
SUGGESTED, SUGGESTED_FIRST = 60, 50
# Its runs, and the one that is looked at.
RUNS, RUN, OTHER = 27, "synthetic-semi-40-d0-s0", "synthetic-text-only-10-d0-s0"
# What is called serious by axe-core, and what is worse.
SERIOUS = ["serious", "critical"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--smvae", required=True)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--axe")
    parser.add_argument("--pictures", type=pathlib.Path)
    options = parser.parse_args()
    smvae = str(pathlib.Path(options.smvae).resolve())
    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        work = pathlib.Path(work)
        experiment, images = train(smvae, work), work / "images"
        run = experiment / "runs" / RUN / "predictions-valid.jsonl"
        draw_images(images, [post["image_id"] for post in read(run)])

        def report(name, *more):
            # As somebody would say it, since the page shows the command.
            command = [smvae, "report", experiment.name, "--images", images.name, "--out", name, *more]
            subprocess.run(command, cwd=work, check=True, capture_output=True)
            return work / name

        browser = playwright.chromium.launch(executable_path=options.chromium, args=["--no-sandbox"])
        if options.pictures:
            take_pictures(browser, report("clean.html"), options.pictures)
        alone = run.with_name("predictions-valid-text.jsonl")
        for file in [run, alone]:
            add_hostile(file)
        path = report("report.html", "--suggestions", suggest(smvae, work, run.parent))
        posts = read(run)
        gains = [mistakes(without) - mistakes(post) for without, post in zip(read(alone), posts, strict=True)]
        for scheme in ["light", "dark"]:
            with_page(browser, path, DESKTOP, scheme, lambda page: check_desktop(page, posts, gains))
            with_page(browser, path, PHONE, scheme, check_phone)
            if options.axe:
                # axe-core is no part of the page, whose policy would refuse it.
                for size in [DESKTOP, PHONE]:
                    with_page(browser, path, size, scheme, lambda page: check_axe(page, options.axe), bypass_csp=True)
        with_page(browser, path, DESKTOP, "light", check_answer)
        with_page(browser, path, DESKTOP, "light", check_sorting)
        with_page(browser, path, PHONE, "light", check_without_javascript, java_script_enabled=False)
        backgrounds = {with_page(browser, path, DESKTOP, scheme, background) for scheme in ["light", "dark"]}
        assert len(backgrounds) == 2, f"light and dark look alike: {backgrounds}"
        browser.close()
    print("the report works in Chromium")


def train(smvae, work):
    """An experiment on the demo's corpus."""
    subprocess.run([smvae, "demo", "--out", work / "demo"], check=True, capture_output=True)
    file = work / "demo/experiment.toml"
    file.write_text(EXPERIMENT, encoding="utf-8")
    command = [smvae, "experiment", file, "--out", work / "images-and-labels", "--jobs", "2", "--threads", "1"]
    subprocess.run(command, check=True, capture_output=True)
    return work / "images-and-labels"


def suggest(smvae, work, run):
    """Posts of the training split that a run would have labelled next, and a hostile one."""
    file = work / "next.jsonl"
    command = [smvae, "suggest", "--pool", work / "demo/corpus/train.txt", "--model", run, "--n", str(SUGGESTED - 1)]
    subprocess.run([*command, "--for-dev", "3", "--output", file], check=True, capture_output=True)
    choice = {"rank": SUGGESTED, "score": 0, "reason": "<b>none</b>", "for_dev": False}
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps({"text": " ".join(HOSTILE), "suggested": choice}) + "\n")
    return file.name


def with_page(browser, path, viewport, scheme, check, **more):
    """Opens the page, runs a check, and fails on anything on the console, a dialog or a connection."""
    faults = []
    context = browser.new_context(viewport=viewport, color_scheme=scheme, **more)
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


def check_answer(page):
    assert page.locator("main > section").first.get_attribute("id") == "answer", "something comes before the answer"
    headline = page.inner_text(".headline")
    assert "comparisons" in headline and "text-only" in headline, headline
    assert page.locator(".cards li").count() == 3, "one comparison per number of labels"
    for card in page.locator(".cards li").all_inner_texts():
        assert "the data can tell" in card.lower() or "the data cannot tell" in card.lower(), card
    about = page.inner_text("header .about")
    assert "27 runs on synthetic" in about and "UTC" in about and "smvae report" in about, about
    assert "synthetic" in page.title(), page.title()
    # One panel per number of labels; every run is among them.
    assert page.locator("#methods figure").count() == 3 and page.locator("#labels figure").count() == 1
    words = page.inner_text("main")
    for name in ["kl_fused", "null", "mse_text", " - "]:
        assert name not in words, f"{name!r} is in the page"
    for tick in page.locator("#methods text.middle:not(.name)").all_text_contents():
        assert tick.isdigit(), f"{tick} is no whole epoch"
    told = page.text_content("#scores").count("made it worse")
    assert told == worse(page), f"{told} times it is said that a temperature made it worse, not {worse(page)}"


def worse(page):
    """How many splits have a larger calibration error after scaling, as it is shown."""
    pairs = page.locator("article.run .reliability > p").all_text_contents()
    errors = [[float(word) for word in text.replace(",", "").split() if word.replace(".", "", 1).isdigit()] for text in pairs]
    return sum(after > before for before, after, *_ in errors)


def check_sorting(page):
    table = page.locator("#runs-table")
    assert table.locator("tbody tr:visible").count() == 12, "a long table is folded"
    page.get_by_role("button", name=f"Show all {RUNS}").click()
    assert table.locator("tbody tr:visible").count() == RUNS

    def column(i):
        return table.locator(f"tbody tr > :nth-child({i + 1})").all_inner_texts()

    heads = [text.strip() for text in table.locator("thead th").all_inner_texts()]
    f1 = heads.index("dev F1")
    assert [float(x) for x in column(f1)] == sorted((float(x) for x in column(f1)), reverse=True), "the best comes first"
    head = table.locator("thead th").nth(f1)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert [float(x) for x in column(f1)] == sorted(float(x) for x in column(f1))
    table.locator("thead th").first.locator("button").click()
    assert column(0) == sorted(column(0)) and head.get_attribute("aria-sort") is None
    # A name chooses the run below.
    table.get_by_role("button", name=OTHER, exact=True).click()
    assert page.locator("article.run:visible h3").first.inner_text() == OTHER


def check_without_javascript(page):
    for part in [".headline", ".cards li", "#labels svg.plot", "#methods svg.plot", "#runs-table", "#scores .reliability svg"]:
        assert page.locator(part).first.is_visible(), f"{part} needs JavaScript"
    assert page.locator("#runs-table tbody tr:visible").count() == RUNS
    assert "need JavaScript" in page.inner_text("#posts"), "nothing is said of what is missing"


def check_axe(page, script):
    for fold in page.locator("details:visible > summary").all():
        fold.click()
    page.locator("#curves-table tbody tr").first.wait_for()
    page.add_script_tag(path=script)
    axe(page)


def axe(page):
    """Fails on what axe-core, which is in the page, finds serious."""
    found = page.evaluate("axe.run().then(({ violations }) => violations)")
    bad = [v for v in found if v["impact"] in SERIOUS]
    told = [f"{v['id']}: {v['help']}: {[node['html'][:200] for node in v['nodes'][:3]]}" for v in bad]
    assert not bad, "\n".join(told)


def check_desktop(page, posts, gains):
    page.select_option("#run", label=RUN)
    assert page.locator("canvas:visible").count() == 3, "a curve of dev, cross entropy or the loss is missing"
    # F1 against labels, three of the methods, dev's and test's reliability.
    assert page.locator("svg.plot:visible").count() == 6, "charts are missing"
    assert page.locator("script").count() == 3, "a post became a script"
    assert page.input_value("#kind") == "any", "mistakes come first"
    shown(page, sum(has(post, "any") for post in posts), posts)
    page.select_option("#kind", "")
    shown(page, len(posts), posts)
    for kind in ["any", "missed", "spurious", "wrong-type", "wrong-boundary", "correct"]:
        page.select_option("#kind", kind)
        shown(page, sum(has(post, kind) for post in posts), posts)
        marks = "mark:not(.correct)" if kind == "any" else f"mark.{kind}"
        items = page.locator("#list > li")
        for i in range(items.count()):
            assert items.nth(i).locator(marks).count() > 0, f"{kind}: a post without one"
    # What images change, the most changed first.
    assert any(gain > 0 for gain in gains), "on this corpus images help"
    for kind, changed in [("better", [gain for gain in gains if gain > 0]), ("worse", [gain for gain in gains if gain < 0])]:
        page.select_option("#kind", kind)
        shown(page, len(changed), posts)
        if changed:
            assert page.locator("#list > li").first.get_by_text("text alone", exact=True).is_visible()
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
    # What to label next.
    section = page.locator("#suggested")
    items = section.locator("li")
    assert items.count() == SUGGESTED and items.nth(SUGGESTED_FIRST - 1).is_visible(), items.count()
    assert not items.nth(SUGGESTED_FIRST).is_visible() and section.locator("mark").count() > 0
    section.locator("summary").click()
    last = items.nth(SUGGESTED - 1)
    assert last.is_visible() and "<b>none</b>" in last.inner_text() and HOSTILE[0] in last.inner_text()
    assert "for dev" in section.inner_text() and "entities expected" in section.inner_text()
    # Terms of the loss, by the keyboard.
    page.locator("summary", has_text="Choose the terms").click()
    box = page.locator("#terms input").nth(2)
    box.focus()
    before = page.locator("#train-chart .u-series").count()
    page.keyboard.press("Space")
    assert page.locator("#train-chart .u-series").count() == before + 1, "a term was not added"
    page.locator("#log").check()
    page.locator("#curves-table summary").click()
    # The table is made by the fold's `toggle`, which comes after the click has returned.
    page.locator("#curves-table tbody tr").nth(1).wait_for()
    for legend in page.locator(".u-legend").all_inner_texts():
        assert "-" not in legend, f"a legend with dashes: {legend!r}"
    # Another run, which sees no images.
    page.select_option("#kind", "better")
    page.select_option("#run", label=OTHER)
    assert page.input_value("#kind") != "better" and page.locator("#kind option[value=better]").is_disabled()
    assert page.locator("article.run:visible").count() == 1
    assert page.locator("article.run:visible h3").first.inner_text() == OTHER
    no_horizontal_scroll(page)


def check_phone(page):
    for fold in page.locator("details:visible > summary").all():
        fold.click()
    no_horizontal_scroll(page)
    table = page.locator("#runs-table")
    assert page.locator("#runs .more-columns").is_visible(), "nothing says that there are more columns"
    before = table.locator("tbody th").first.bounding_box()["x"]
    page.evaluate("document.querySelector('#runs .scroll').scrollLeft = 200")
    after = table.locator("tbody th").first.bounding_box()["x"]
    assert abs(before - after) < 1, "the names of the runs do not stay"
    for name in page.locator("#run option").all_inner_texts()[::5]:
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


def mistakes(post):
    return sum(outcome != "correct" for side in judge(post) for _, outcome in side)


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
        # The answer, the curves of the methods and two posts.
        hide = "nav, #differences, #labels, #runs, #curves, #chooser, #scores, #posts form, #posts .legend, #count, .pages, " \
               "footer, .note, #list > li:nth-child(n+3), #methods p"
        page.add_style_tag(content=f"{hide} {{ display: none !important }} section {{ margin: .6rem 0; padding: 1rem }}")

    picture("light.png", DESKTOP, "light")
    picture("dark.png", DESKTOP, "dark")
    picture("phone.png", PHONE, "light")
    picture("report.png", {"width": 980, "height": 600}, "light", shorten)


if __name__ == "__main__":
    main()
