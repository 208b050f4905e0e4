// Sorted tables, curves and posts of the report. Texts reach the page as text nodes alone: nothing here parses HTML.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const PAGE = 20;
  // Rows of a folded table, as in the style sheet.
  const ROWS = 12;

  /** An element with attributes and children, which are nodes or texts. */
  function el(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  // ---- charts -------------------------------------------------------------------------------------------------

  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const charts = new Map();

  /** A circle, a square, a triangle or a diamond of radius r. */
  function addShape(path, shape, x, y, r) {
    if (shape === 0) { path.moveTo(x + r, y); path.arc(x, y, r, 0, 2 * Math.PI); return; }
    const corners = [[], [[-1, -1], [1, -1], [1, 1], [-1, 1]], [[0, -1.2], [1.2, 1], [-1.2, 1]], [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]]][shape];
    corners.forEach(([dx, dy], i) => (i === 0 ? path.moveTo(x + dx * r, y + dy * r) : path.lineTo(x + dx * r, y + dy * r)));
    path.closePath();
  }

  /** A series in the i-th colour and shape, so that colour is not its only sign; each of 32 has a pair of its own. */
  function series(label, i) {
    const shape = (i + Math.floor(i / 8)) % 4, colour = style(`--c${i % 8}`);
    const paths = (u, s, from, to) => {
      const path = new Path2D();
      for (let k = from; k <= to; k++) {
        if (u.data[s][k] == null) continue;
        addShape(path, shape, u.valToPos(u.data[0][k], "x", true), u.valToPos(u.data[s][k], "y", true), 3 * devicePixelRatio);
      }
      return { stroke: null, fill: path, clip: null, flags: 3 };
    };
    return {
      label, stroke: colour, width: 2, shape, colour: i % 8, spanGaps: true, points: { show: true, size: 7, fill: colour, paths },
      value: (_, v) => (v == null ? "" : String(+v.toPrecision(4))),
    };
  }

  function axis(label, more) {
    const grid = { stroke: style("--line"), width: 1 };
    return { label, stroke: style("--soft"), grid, ticks: grid, labelSize: 16, font: "12px system-ui", labelFont: "12px system-ui", ...more };
  }

  /** Draws a chart in place of the one that the element holds; `make(width)` gives uPlot's options and data. */
  function draw(element, make) {
    charts.get(element)?.plot?.destroy();
    charts.set(element, { make, plot: null });
    const width = element.clientWidth;
    const made = width > 0 && make(width);
    if (!made) return;
    const plot = new uPlot(made.options, made.data, element);
    charts.get(element).plot = plot;
    // The names have the shapes of the points.
    element.querySelectorAll(".u-legend .u-series").forEach((row, i) => {
      const marker = row.querySelector(".u-marker");
      if (marker && plot.series[i].shape != null) marker.className = `u-marker key s${plot.series[i].shape} c${plot.series[i].colour}`;
    });
  }

  const redraw = () => charts.forEach(({ make }, element) => draw(element, make));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = innerWidth;
  addEventListener("resize", () => {
    // The height of a phone's window changes while it is scrolled.
    if (innerWidth !== width) { width = innerWidth; redraw(); mind(document); }
  });

  /** Lines by epoch, which are whole numbers. */
  function curveChart(element, run, chosen, logarithmic) {
    const whole = (plot, splits) => splits.map((v) => (Number.isInteger(v) ? v : null));
    draw(element, (width) => chosen.length > 0 && {
      options: {
        width, height: 230,
        scales: { x: { time: false, range: (_, a, b) => (a === b ? [a - 1, b + 1] : [0, b]) }, y: { distr: logarithmic ? 3 : 1 } },
        axes: [axis("epoch", { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], filter: whole, space: 36, size: 30 }), axis(null, { size: 52 })],
        series: [{ label: "epoch", value: (_, v) => v ?? "" }, ...chosen.map(([curve, i]) => series(curve.title, i))],
      },
      // A logarithm has no zero.
      data: [run.x, ...chosen.map(([curve]) => curve.values.map((v) => (logarithmic && v <= 0 ? null : v)))],
    });
  }

  // ---- the chosen run -----------------------------------------------------------------------------------------

  /** Terms whose box is ticked; kept from run to run. */
  const ticked = new Set(["train.loss"]);

  function showCurves(run) {
    const empty = run.x.length === 0;
    at("no-curves").hidden = !empty;
    at("curves-body").hidden = empty;
    if (empty) return;
    // Cross entropy has a chart of its own: beside the loss it is a line at 0.
    const isZero = (c) => c.values.every((v) => v === 0 || v == null);
    const all = run.curves.filter((c) => c.name.startsWith("train.") && c.name !== "train.ce");
    const terms = all.filter((c) => c.name === "train.loss" || !isZero(c));
    terms.sort((a, b) => (b.name === "train.loss") - (a.name === "train.loss"));
    const zero = all.filter((c) => !terms.includes(c)).map((c) => c.title);
    at("zero-terms").textContent = zero.length > 0 ? `0 in every epoch: ${zero.join(", ")}.` : "";
    const plot = () => curveChart(at("train-chart"), run,
      terms.map((c, i) => [c, i]).filter(([c]) => ticked.has(c.name)), at("log").checked);
    at("terms").replaceChildren(at("terms").firstElementChild, ...terms.map((curve) => {
      const box = el("input", { type: "checkbox", name: curve.name });
      box.checked = ticked.has(curve.name);
      box.addEventListener("change", () => { box.checked ? ticked.add(curve.name) : ticked.delete(curve.name); plot(); });
      return el("label", { class: "check" }, box, " " + curve.title);
    }));
    at("log").onchange = plot;
    plot();
    curveChart(at("ce-chart"), run, run.curves.filter((c) => c.name === "train.ce").map((c) => [c, 1]), false);
    curveChart(at("dev-chart"), run, run.curves.filter((c) => c.name.startsWith("dev.")).map((c, i) => [c, i]), false);
    const fold = at("curves-table");
    const fill = () => {
      const head = el("tr", {}, ...["epoch", ...run.curves.map((c) => c.title)].map((name) => el("th", { scope: "col" }, name)));
      const rows = run.x.map((epoch, i) => el("tr", {}, el("th", { scope: "row" }, String(epoch)),
        ...run.curves.map((c) => el("td", {}, c.values[i] == null ? "" : c.values[i].toPrecision(5)))));
      fold.lastElementChild.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
    };
    fold.ontoggle = () => { if (fold.open) { fill(); mind(fold); } };
    if (fold.open) fill();
  }

  function showRun(index) {
    const run = data.runs[index];
    at("run").value = String(index);
    for (const article of document.querySelectorAll("article.run")) {
      article.hidden = article.dataset.run !== String(index);
      if (!article.hidden) article.querySelectorAll("table.sortable:not(.sorts)").forEach(makeSortable);
    }
    for (const name of document.querySelectorAll("#runs-table th[data-run]")) {
      name.parentElement.classList.toggle("chosen", name.dataset.run === String(index));
    }
    showCurves(run);
    at("no-posts").hidden = run.posts.length > 0;
    at("posts-body").hidden = run.posts.length === 0;
    const types = [...new Set(run.posts.flatMap((t) => [...t.gold, ...t.found].map((e) => e[2])))].sort();
    const chosen = at("type").value;
    at("type").replaceChildren(el("option", { value: "" }, "any"), ...types.map((type) => el("option", { value: type }, type)));
    at("type").value = types.includes(chosen) ? chosen : "";
    const hasChanges = run.posts.some((post) => post.gain);
    for (const option of at("kind").querySelectorAll("[value=better], [value=worse]")) option.hidden = option.disabled = !hasChanges;
    if (at("kind").selectedOptions[0].disabled) at("kind").value = "any";
    // A run without a mistake shows its posts all the same.
    if (at("kind").value === "any" && !run.posts.some((post) => passes(post, "any", "", ""))) at("kind").value = "";
    showPosts(run, 0);
    mind(document);
  }

  // ---- tables ------------------------------------------------------------------------------------------------

  /** A cell as what it is sorted by: its first number, else its text; what is not there comes last. */
  function sortKey(row, column) {
    const text = row.cells[column].textContent.trim();
    if (text === "" || row.cells[column].querySelector(".none")) return null;
    // A date is a text whose order is that of its digits.
    const number = /^\d{4}-\d\d/.test(text) ? NaN : Number.parseFloat(text);
    return Number.isNaN(number) ? text.toLowerCase() : number;
  }

  function compare(a, b) {
    if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true });
    return typeof a === "number" ? -1 : 1;
  }

  /** Sorts by a column; a second time the other way round. Numbers begin with the largest. */
  function sortBy(table, head) {
    const column = head.cellIndex, body = table.tBodies[0];
    const rows = [...body.rows].filter((row) => !row.classList.contains("total")).map((row) => ({ row, key: sortKey(row, column) }));
    const down = head.ariaSort ? head.ariaSort === "ascending" : rows.some(({ key }) => typeof key === "number");
    for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const missing = rows.filter(({ key }) => key == null), there = rows.filter(({ key }) => key != null);
    there.sort((a, b) => (down ? compare(b.key, a.key) : compare(a.key, b.key)));
    const total = [...body.rows].filter((row) => row.classList.contains("total"));
    body.append(...[...there, ...missing].map(({ row }) => row), ...total);
  }

  function makeSortable(table) {
    table.classList.add("sorts");
    for (const head of table.tHead.rows[0].cells) {
      if (head.classList.contains("picture")) continue;
      const button = el("button", { type: "button" }, ...head.childNodes);
      button.addEventListener("click", () => sortBy(table, head));
      head.replaceChildren(button);
    }
  }

  /** Tables that are wider than their place are said to be so, and can be scrolled with the keyboard. */
  function mind(root) {
    // All are measured before any is changed, so that the page is laid out once.
    const measured = [...root.querySelectorAll(".scroll")].map((scroll) => [scroll, scroll.scrollWidth > scroll.clientWidth + 1]);
    for (const [scroll, wide] of measured) {
      const hint = scroll.previousElementSibling?.classList.contains("more-columns") ? scroll.previousElementSibling : null;
      if (wide && !hint) scroll.before(el("p", { class: "more-columns", "aria-hidden": "true" }, "more columns at the side \u2192"));
      if (!wide) hint?.remove();
      if (!wide) { for (const name of ["tabindex", "role", "aria-label"]) scroll.removeAttribute(name); continue; }
      const title = scroll.querySelector("caption") ?? scroll.closest("details")?.querySelector("summary") ?? scroll.closest("section").querySelector("h2");
      for (const [name, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", `Table: ${title.textContent}`]]) scroll.setAttribute(name, value);
    }
  }

  /** A long table shows its first rows, until all are asked for. */
  function fold(table) {
    const body = table.tBodies[0], rows = body.rows.length;
    if (rows <= ROWS + 3) return;
    body.classList.add("folded");
    const button = el("button", { type: "button", class: "all" }, `Show all ${rows}`);
    button.addEventListener("click", () => { body.classList.remove("folded"); button.remove(); });
    table.parentElement.after(button);
  }

  /** Names of runs choose what is shown below. */
  function makeChoosable(name) {
    const button = el("button", { type: "button", class: "pick", title: "show this run below" }, name.textContent);
    button.addEventListener("click", () => { showRun(Number(name.dataset.run)); at("chooser").scrollIntoView(); at("run").focus({ preventScroll: true }); });
    name.replaceChildren(button);
  }

  // ---- posts -------------------------------------------------------------------------------------------------

  const lower = data.texts.map((text) => (text.words.join(" ") + " " + text.id).toLowerCase());
  let matches = [], page = 0;

  function passes(post, kind, type, search) {
    if (search && !lower[post.text].includes(search) && !(post.caption ?? "").toLowerCase().includes(search)) return false;
    if (kind === "better" && !(post.gain > 0) || kind === "worse" && !(post.gain < 0)) return false;
    if (kind === "better" || kind === "worse") kind = "";
    if (!kind && !type) return true;
    const entity = ([, , label, outcome]) => (!type || label === type)
      && (!kind || outcome === kind || (kind === "any" && outcome !== "correct"));
    return post.gold.some(entity) || post.found.some(entity);
  }

  /** One line of words with its entities marked. Found entities never overlap; of gold ones that do, the later is cut. */
  function line(name, words, entities) {
    const paragraph = el("p", {}, el("span", { class: "side-name" }, name));
    let from = 0;
    for (const [start, end, label, outcome, score] of [...entities].sort((a, b) => a[0] - b[0])) {
      if (start < from) continue;
      paragraph.append(" " + words.slice(from, start).join(" ") + " ");
      const how = outcome === "correct" ? "" : ", " + outcome.replace("-", " ");
      const tag = label + how + (score == null ? "" : " " + score.toFixed(2));
      paragraph.append(el("mark", { class: outcome }, words.slice(start, end).join(" "), el("small", {}, tag)));
      from = end;
    }
    paragraph.append(" " + words.slice(from).join(" "));
    return paragraph;
  }

  function item(post) {
    const { id, words } = data.texts[post.text];
    const body = el("div", { class: "body" }, el("p", { class: "id" }, id), line("gold", words, post.gold), line("found", words, post.found));
    if (post.text_alone) body.append(line("text alone", words, post.text_alone));
    if (post.caption) body.append(el("p", { class: "caption" }, el("span", { class: "side-name" }, "caption"), " " + post.caption));
    const made = el("li", {}, body);
    if (Object.hasOwn(data.images, id)) made.append(el("img", { src: data.images[id], alt: `Image ${id}` }));
    return made;
  }

  // Images stand in the page once, whoever shows them.
  for (const image of document.querySelectorAll("img[data-image]")) {
    if (Object.hasOwn(data.images, image.dataset.image)) {
      image.src = data.images[image.dataset.image];
      image.hidden = false;
    }
  }

  function showPosts(run, wanted) {
    const [kind, type, search] = ["kind", "type", "search"].map((id) => at(id).value);
    matches = run.posts.filter((post) => passes(post, kind, type, search.trim().toLowerCase()));
    // Where images change most comes first.
    if (kind === "better" || kind === "worse") matches.sort((a, b) => Math.abs(b.gain) - Math.abs(a.gain));
    showPage(wanted);
    at("count").textContent = `${matches.length} of ${run.posts.length} posts`;
  }

  function showPage(wanted) {
    const pages = Math.max(1, Math.ceil(matches.length / PAGE));
    page = Math.min(Math.max(wanted, 0), pages - 1);
    at("list").replaceChildren(...matches.slice(page * PAGE, (page + 1) * PAGE).map(item));
    at("page").textContent = `page ${page + 1} of ${pages}`;
    at("previous").disabled = page === 0;
    at("next").disabled = page === pages - 1;
  }

  const chosenRun = () => data.runs[Number(at("run").value)];
  /** Filters and pages; an experiment whose runs are elsewhere has none. */
  function listen() {
    at("run").addEventListener("change", () => showRun(Number(at("run").value)));
    at("filters").addEventListener("submit", (event) => event.preventDefault());
    for (const id of ["kind", "type", "search"]) at(id).addEventListener("input", () => showPosts(chosenRun(), 0));
    for (const [id, step] of [["previous", -1], ["next", 1]]) {
      at(id).addEventListener("click", () => { showPage(page + step); at("posts-title").scrollIntoView(); });
    }
  }

  document.querySelectorAll("section > .scroll > table.sortable").forEach(makeSortable);
  document.querySelectorAll("table.long").forEach(fold);
  document.querySelectorAll("#runs-table th[data-run]").forEach(makeChoosable);
  document.addEventListener("toggle", (event) => mind(event.target), true);
  if (data.runs.length > 0) {
    listen();
    showRun(Number(at("run").value));
  } else {
    mind(document);
  }
})();
