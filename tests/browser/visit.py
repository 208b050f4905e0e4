"""The page of a service as a test uses it: a service at work, a visit on which nothing may go wrong, what the page shows."""

import contextlib
import os
import subprocess
import sys

from report import DESKTOP, axe


class Tester:
    """Opens the page of a service, and fails on whatever should not happen there."""

    def __init__(self, browser, address, options):
        self.browser, self.address, self.options = browser, address, options

    def visit(self, check, viewport=DESKTOP, scheme="light", *, name, may_fail=False, bypass_csp=False, **more):
        faults = []
        context = self.browser.new_context(viewport=viewport, color_scheme=scheme, bypass_csp=bypass_csp)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=self.address)
        page = context.new_page()
        page.set_default_timeout(10_000)
        if self.options.page:
            page.route(
                self.address + "/",
                lambda route: route.fulfill(body=joined(self.options.page), content_type="text/html"),
            )
        # A request that is refused is one line on the console, which no page can prevent.
        expected = ("Failed to load resource",) if may_fail else ()
        page.on(
            "console",
            lambda m: m.type in ("error", "warning")
            and not m.text.startswith(expected or "\0")
            and faults.append(m.text),
        )
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: (faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: request.url.startswith((self.address, "blob:", "data:")) or faults.append(request.url),
        )
        page.goto(self.address)
        try:
            result = check(page, **more)
        except Exception:
            print(f"{name}: the page says {page.inner_text('body')[:1500]!r}", file=sys.stderr)
            raise
        context.close()
        assert not faults, f"{name}: {faults}"
        return result

    def check_axe(self, page):
        """The page as it opens, with everything unfolded, and with an error."""
        if not self.options.axe:
            return
        page.add_script_tag(path=self.options.axe)
        axe(page)
        example(page)
        for fold in ["#all", "#program", "#model"]:
            page.click(f"{fold} summary")
        page.locator("#all-table tbody tr").first.wait_for()
        axe(page)
        page.fill("#text", "")
        page.click("#send")
        page.evaluate("askForKey()")
        axe(page)


# ---- The service ----


@contextlib.contextmanager
def service(smvae, run, *options, key=None):
    environment = {**os.environ, **({"SMVAE_SERVE_API_KEY": key} if key else {})}
    command = [smvae, "serve", "--model", run, "--port", "0", "--log", "off", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://"), f"it printed {address!r}"
        yield address
    finally:
        process.terminate()
        assert process.wait(30) == 0, "the service did not end cleanly"


def joined(folder):
    """The parts of the page as the program joins them."""
    part = lambda name: (folder / name).read_text(encoding="utf-8")
    head = part("head.html") + "<style>\n" + part("page.css") + "</style>\n" + part("body.html")
    return head + "<script>\n" + part("page.js") + part("result.js") + "</script>\n</body>\n</html>\n"


def ready(page):
    page.locator("#picture-field").wait_for()


def found(page):
    page.locator("#status", has_text="Found ").wait_for()


def ask(page, text):
    """Asks for a text; the answer as it came."""
    page.fill("#text", text)
    with page.expect_response("**/v1/predict*") as response:
        page.press("#text", "Control+Enter")
    found(page)
    return response.value.json()


def example(page):
    ready(page)
    page.click("#example")
    found(page)
    page.locator("#moves").wait_for()


def with_picture(page, path):
    page.set_input_files("#picture", path)
    page.locator("#picture-name", has_text="×").wait_for()


def marks(page, answer):
    """The marks are the entities, and the text between them is the post's."""
    got = [mark_text(mark) for mark in page.locator(".post").first.locator("mark").all()]
    want = [(e["text"], e["label"], f"{100 * e['score']:.0f}%") for e in answer["entities"]]
    assert [m[:2] for m in got] == [w[:2] for w in want], f"{got}, not {want}"
    for (_, _, a), (_, _, b) in zip(got, want):
        assert abs(int(a[:-1]) - int(b[:-1])) <= 1, f"{a}, not {b}"
    # Python counts as the service does.
    assert all(answer["text"][e["start"] : e["end"]] == e["text"] for e in answer["entities"]), answer


def mark_text(mark):
    label, score = mark.locator(".chip").text_content(), mark.locator(".score").text_content()
    return mark.text_content().removesuffix(label + score), label, score


def rounded(answer):
    return [(e["start"], e["end"], e["label"], round(e["score"], 3)) for e in answer["entities"]]


def shown_text(page):
    """The text of the first pane without labels and scores."""
    return page.locator(".post").first.evaluate(
        "(post) => { const copy = post.cloneNode(true); copy.querySelectorAll('.chip, .score').forEach((e) => e.remove()); return copy.textContent; }"
    )


def error(page, field, message):
    page.locator(f"#{field}-error", has_text=message).wait_for()
    assert page.locator(f"#{field}-error").inner_text() == message
    if field != "other":
        assert page.locator(f"#{field}").get_attribute("aria-invalid") == "true"
        assert page.evaluate("document.activeElement.id") == field


def wait_until(page, condition):
    """Asks again and again; playwright's own `wait_for_function` is a script that the page's policy refuses."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within five seconds: {condition}")


def copied(page, form):
    page.click(f"label[for=as-{form}]")
    page.evaluate("navigator.clipboard.writeText('')")
    page.click("#copy")
    wait_until(page, "navigator.clipboard.readText().then((text) => text !== '')")
    return page.evaluate("navigator.clipboard.readText()")


@contextlib.contextmanager
def answered(page, body, status=200, headers=None, times=None):
    """The service's answers are these."""
    fill = lambda route: route.fulfill(
        status=status, body=body, headers={"content-type": "application/json", **(headers or {})}
    )
    page.route("**/v1/predict*", fill, **({"times": times} if times else {}))
    yield
    if not times:
        page.unroute("**/v1/predict*")


def background(page):
    return page.evaluate("getComputedStyle(document.body).backgroundColor")
