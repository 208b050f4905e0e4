// Charts and posts of the report. Texts reach the page as text nodes alone: nothing here parses HTML.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = (id) => document.getElementById(id);
  const PAGE = 20;
  // The same four in the plot and in the legend.
  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]], BORDERS = ["solid", "dashed", "dotted", "double"];

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

  /** A series in the i-th colour and dash, so that colour is not its only sign; each of 32 has a pair of its own. */
  function series(label, i, more) {
    const dash = (i + Math.floor(i / 8)) % 4;
    return {
      label, stroke: style(`--c${i % 8}`), width: 2, dash: DASHES[dash], mark: BORDERS[dash], spanGaps: true,
      points: { show: true, size: 6 }, value: (_, v) => (v == null ? "-" : String(+v.toPrecision(4))), ...more,
    };
  }

  function axis(label, more) {
    const grid = { stroke: style("--line"), width: 1 };
    return { label, stroke: style("--soft"), grid, ticks: grid, labelSize: 22, font: "12px system-ui", labelFont: "12px system-ui", ...more };
  }

  /** Draws a chart in place of the one that the element holds; `make(width)` gives uPlot's options and data. */
  function draw(element, make) {
    charts.get(element)?.plot?.destroy();
    charts.set(element, { make, plot: null });
    const width = element.clientWidth;
    const made = width > 0 && make(width);
    if (!made) return;
    const legend = { markers: { width: 3, dash: (u, i) => u.series[i].mark } };
    charts.get(element).plot = new uPlot({ ...made.options, legend }, made.data, element);
  }

  const redraw = () => charts.forEach(({ make }, element) => draw(element, make));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = innerWidth;
  addEventListener("resize", () => {
    // The height of a phone's window changes while it is scrolled.
    if (innerWidth !== width) { width = innerWidth; redraw(); }
  });

  /** Bars of one deviation, drawn over the points. */
  function errorBars(deviations) {
    return (u) => {
      const context = u.ctx, cap = 4 * devicePixelRatio;
      context.save();
      context.lineWidth = 1.5 * devicePixelRatio;
      deviations.forEach((column, s) => column.forEach((deviation, i) => {
        const mean = u.data[s + 1][i];
        if (mean == null || deviation == null) return;
        const x = u.valToPos(u.data[0][i], "x", true);
        const [high, low] = [mean + deviation, mean - deviation].map((y) => u.valToPos(y, "y", true));
        context.strokeStyle = u.series[s + 1].stroke();
        context.beginPath();
        context.moveTo(x, high); context.lineTo(x, low);
        for (const y of [high, low]) { context.moveTo(x - cap, y); context.lineTo(x + cap, y); }
        context.stroke();
      }));
      context.restore();
    };
  }

  /** Ticks at the numbers that were run, without the names of those that the one before leaves no room for. */
  function apart(plot, ticks) {
    let last = -Infinity;
    return ticks.map((tick) => {
      const x = plot.valToPos(tick, "x");
      if (x - last < 36) return null;
      last = x;
      return tick;
    });
  }

  function labelsChart() {
    const x = [...new Set(data.points.map((p) => p.labelled))].sort((a, b) => a - b);
    const methods = [...new Set(data.points.map((p) => p.method))];
    const column = (method, field) =>
      x.map((n) => data.points.find((p) => p.method === method && p.labelled === n)?.[field] ?? null);
    const deviations = methods.map((m) => column(m, "deviation"));
    const ends = data.points.flatMap((p) => [p.mean - (p.deviation ?? 0), p.mean + (p.deviation ?? 0)]);
    const [low, high] = [Math.min(...ends), Math.max(...ends)];
    const room = Math.max((high - low) * 0.1, 0.5);
    draw(at("labels-chart"), (width) => ({
      options: {
        width, height: 300,
        scales: { x: { time: false, distr: 3, range: [x[0] / 1.3, x[x.length - 1] * 1.3] }, y: { range: [low - room, high + room] } },
        axes: [axis("labelled posts", { splits: () => x, filter: apart }), axis("F1")],
        series: [{ label: "labelled" }, ...methods.map((m, i) => series(m, i))],
        hooks: { draw: [errorBars(deviations)] },
      },
      data: [x, ...methods.map((m) => column(m, "mean"))],
    }));
  }

  function curveChart(element, run, chosen, logarithmic, label) {
    const height = 280;
    draw(element, (width) => chosen.length > 0 && {
      options: {
        width, height, scales: { x: { time: false, range: (_, a, b) => (a === b ? [a - 1, b + 1] : [a, b]) }, y: { distr: logarithmic ? 3 : 1 } },
        axes: [axis("epoch"), axis(label, { size: 60 })],
        series: [{ label: "epoch" }, ...chosen.map(([curve, i]) => series(curve.name.replace(/^(train|dev)\./, ""), i))],
      },
      // A logarithm has no zero.
      data: [run.x, ...chosen.map(([curve]) => curve.values.map((v) => (logarithmic && v <= 0 ? null : v)))],
    });
  }

  function reliabilityChart(element, { before, after }) {
    const points = (bins) => {
      const filled = bins.filter((b) => b.n > 0);
      return [filled.map((b) => b.mean_score), filled.map((b) => b.precision)];
    };
    draw(element, (width) => ({
      options: {
        width, height: Math.min(width, 320),
        scales: { x: { time: false, range: [0, 1] }, y: { range: [0, 1.02] } },
        axes: [axis("score"), axis("precision")],
        series: [{ label: "score", value: (_, v) => (v == null ? "-" : v.toFixed(3)) },
          series("ideal", 7, { points: { show: false }, width: 1, dash: [], mark: "solid" }), series("scores", 0), series("scaled", 1)],
      },
      data: uPlot.join([[[0, 1], [0, 1]], points(before), points(after)]),
    }));
  }

  // ---- the chosen run -----------------------------------------------------------------------------------------

  /** Terms whose box is ticked; kept from run to run. */
  const ticked = new Set(["train.loss", "train.ce"]);

  function showCurves(run) {
    const empty = run.x.length === 0;
    at("no-curves").hidden = !empty;
    at("curves-body").hidden = empty;
    if (empty) return;
    const terms = run.curves.filter((c) => c.name.startsWith("train."));
    const plot = () => curveChart(at("train-chart"), run,
      terms.map((c, i) => [c, i]).filter(([c]) => ticked.has(c.name)), at("log").checked, "mean");
    at("terms").replaceChildren(at("terms").firstElementChild, ...terms.map((curve) => {
      const box = el("input", { type: "checkbox", name: curve.name });
      box.checked = ticked.has(curve.name);
      box.addEventListener("change", () => { box.checked ? ticked.add(curve.name) : ticked.delete(curve.name); plot(); });
      return el("label", { class: "check" }, box, " " + curve.name.slice("train.".length));
    }));
    at("log").onchange = plot;
    plot();
    const dev = run.curves.filter((c) => c.name.startsWith("dev."));
    curveChart(at("dev-chart"), run, dev.map((c, i) => [c, i]), false, "percent");
    const fold = at("curves-table");
    const fill = () => {
      const head = el("tr", {}, ...["epoch", ...run.curves.map((c) => c.name)].map((name) => el("th", { scope: "col" }, name)));
      const rows = run.x.map((epoch, i) => el("tr", {}, el("th", { scope: "row" }, String(epoch)),
        ...run.curves.map((c) => el("td", {}, c.values[i] == null ? "-" : c.values[i].toPrecision(5)))));
      fold.lastElementChild.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
    };
    fold.ontoggle = () => fold.open && fill();
    if (fold.open) fill();
  }

  function showRun(index) {
    const run = data.runs[index];
    for (const article of document.querySelectorAll("article.run")) {
      article.hidden = article.dataset.run !== String(index);
      // A chart that is not seen has no width.
      for (const element of article.querySelectorAll(".reliability")) {
        if (article.hidden) { charts.get(element)?.plot?.destroy(); charts.delete(element); }
        else reliabilityChart(element, run.reliability.find((r) => r.split === element.dataset.split));
      }
    }
    showCurves(run);
    at("no-posts").hidden = run.posts.length > 0;
    at("posts-body").hidden = run.posts.length === 0;
    const types = [...new Set(run.posts.flatMap((t) => [...t.gold, ...t.found].map((e) => e[2])))].sort();
    const chosen = at("type").value;
    at("type").replaceChildren(el("option", { value: "" }, "any"), ...types.map((type) => el("option", { value: type }, type)));
    at("type").value = types.includes(chosen) ? chosen : "";
    showPosts(run, 0);
  }

  // ---- posts -------------------------------------------------------------------------------------------------

  const lower = data.texts.map((text) => (text.words.join(" ") + " " + text.id).toLowerCase());
  let matches = [], page = 0;

  function passes(post, kind, type, search) {
    if (search && !lower[post.text].includes(search) && !(post.caption ?? "").toLowerCase().includes(search)) return false;
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
    if (post.caption) body.append(el("p", { class: "caption" }, el("span", { class: "side-name" }, "caption"), " " + post.caption));
    const made = el("li", {}, body);
    if (Object.hasOwn(data.images, id)) made.append(el("img", { src: data.images[id], alt: `Image ${id}` }));
    return made;
  }

  function showPosts(run, wanted) {
    const [kind, type, search] = ["kind", "type", "search"].map((id) => at(id).value);
    matches = run.posts.filter((post) => passes(post, kind, type, search.trim().toLowerCase()));
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

  if (data.points.length > 0) labelsChart();
  if (data.runs.length > 0) {
    listen();
    showRun(Number(at("run").value));
  }
})();
