// What was found: the marked text, how far the picture moved the scores, all candidates, copies.

/** Shows the answers of `state.last`. */
function show() {
  const { question, answers } = state.last;
  const [answer, without] = answers;
  $("result").hidden = false;
  $("legend").replaceChildren(
    ...names().map((label) =>
      el("li", {}, chip(label), ` ${answer.entities.filter((entity) => entity.label === label).length}`),
    ),
  );
  const panes = [el("div", {}, post(answer))];
  if (without) {
    const image = el("img", {
      className: "seen",
      alt: `The picture ${question.picture.file.name}`,
      src: question.picture.url,
    });
    const none = el("div", { className: "seen none" }, "no picture");
    panes[0] = el("div", {}, el("h3", {}, "With the picture"), image, post(answer));
    panes.push(el("div", {}, el("h3", {}, "Without it"), none, post(without)));
  }
  $("panes").className = without ? "two" : "";
  $("panes").replaceChildren(...panes);
  const cut = answer.words_cut ?? 0;
  $("cut").hidden = !cut;
  $("cut").textContent =
    `The model did not read the last ${cut === 1 ? "word, which is" : `${number(cut)} words, which are`} struck out: ` +
    `it reads ${number(state.card.encoder.max_pieces)} pieces of words.`;
  showMoves();
  showCandidates();
  showCode();
}

/** The text of an answer with its entities marked. */
function post(answer) {
  const letters = Array.from(answer.text);
  const paragraph = el("p", { className: "post" });
  let at = 0;
  const plain = (next) => {
    paragraph.append(letters.slice(at, next).join(""));
    at = next;
  };
  for (const entity of answer.entities) {
    if (entity.start < at) continue;
    plain(entity.start);
    paragraph.append(mark(entity, letters.slice(entity.start, entity.end).join("")));
    at = entity.end;
  }
  plain(Math.max(at, lettersRead(answer)));
  if (at < letters.length) paragraph.append(el("s", { className: "unread" }, letters.slice(at).join("")));
  return paragraph;
}

/** An entity in its text. Its last word, if it is short, stays on a line with its label. */
function mark({ label, score }, text) {
  const last = text.search(/\S{1,16}$/);
  const [first, rest] =
    last < 0 || /\S/.test(text[last - 1] ?? "") ? [text, ""] : [text.slice(0, last), text.slice(last)];
  const tail = el("span", { className: "tail" }, rest, chip(label), el("span", { className: "score" }, percent(score)));
  return el("mark", { className: chip(label).className.replace("chip ", "") }, first, tail);
}

/** How many characters of the text the model has read. */
function lettersRead({ text, words, words_cut: cut = 0 }) {
  let at = 0;
  for (const word of words.slice(0, words.length - cut)) {
    const found = text.indexOf(word, at);
    if (found < 0) break;
    at = found + word.length;
  }
  return Array.from(cut ? text.slice(0, at) : text).length;
}

/** Candidates and entities by where they stand. */
function bySpan(answer) {
  const all = [...(answer?.entities ?? []), ...(answer?.candidates ?? [])];
  return new Map(all.map((entity) => [`${entity.start}-${entity.end}`, entity]));
}

/** What the spans of an answer have where an entity stands. What is no candidate is below all of them. */
function there({ start, end, label }, spans) {
  return spans.get(`${start}-${end}`) ?? { label, score: 0 };
}

/** The probability that an answer gives to an entity, by its spans; of a span its likeliest label has one. */
function scoreOf(entity, spans) {
  const { label, score } = there(entity, spans);
  return label === entity.label ? score : undefined;
}

/** The same, where another label is likelier the most that is left: no more than that one has, and a whole has. */
function atMost(entity, spans) {
  const { label, score } = there(entity, spans);
  return {
    value: label === entity.label ? score : Math.min(score, 1 - score),
    rather: label === entity.label ? null : label,
  };
}

const same = (a) => (b) => a.start === b.start && a.end === b.end && a.label === b.label;

/** How far the picture moved a score, as it is told, with a bar whose half is `most`. */
function moved(by, most, told) {
  const share = (50 * by) / most;
  const bar = el("i", { className: share < 0 ? "down" : "" });
  bar.style.left = `${50 + Math.min(0, share)}%`;
  bar.style.width = `${Math.abs(share)}%`;
  return el("td", {}, el("span", { className: "bar", ariaHidden: "true" }, bar), told);
}

const signed = (points) =>
  Math.abs(points) < 0.05 ? "±0.0" : `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`;

function showMoves() {
  const [answer, without] = state.last.answers;
  $("moves").hidden = !without;
  if (!without) return;
  const [after, before] = [bySpan(answer), bySpan(without)];
  const all = [...answer.entities, ...without.entities.filter((entity) => !answer.entities.some(same(entity)))];
  const rows = all.map((entity) => {
    const [a, b] = [atMost(entity, after), atMost(entity, before)];
    const [isIn, wasIn] = [answer, without].map(({ entities }) => entities.some(same(entity)));
    const notes = [
      !wasIn && "found only with the picture",
      !isIn && "found only without it",
      b.rather && `without it rather ${b.rather}`,
      a.rather && `with it rather ${a.rather}`,
    ];
    const by = a.value - b.value;
    const sign = b.rather ? "≥" : a.rather ? "≤" : "";
    return { entity, a, b, by, sign, note: notes.filter(Boolean).join("; ") };
  });
  rows.sort((x, y) => Math.abs(y.by) - Math.abs(x.by));
  const [first] = rows;
  const most = Math.max(0.05, Math.abs(first?.by ?? 0));
  $("moves-summary").textContent = !first
    ? "Nothing was found with the picture or without it."
    : Math.abs(first.by) < 0.0005
      ? "It moved none: for this text the model makes nothing of this picture."
      : `Most: ${first.entity.text} as ${first.entity.label}, by ${first.sign && "at least "}${signed(100 * first.by)} points.`;
  const head = ["Entity", "Without", "With", "Moved"].map((name, i) =>
    el("th", { scope: "col", className: i ? "" : "text" }, name),
  );
  const body = rows.map(({ entity, a, b, by, sign, note }) =>
    el(
      "tr",
      {},
      el(
        "th",
        { scope: "row", className: "text" },
        entity.text,
        " ",
        chip(entity.label),
        note && el("span", { className: "only" }, note),
      ),
      ...[b, a].map(({ value, rather }) => el("td", {}, (rather && value >= LEAST ? "≤" : "") + percent(value, 1))),
      moved(by, most, sign + signed(100 * by)),
    ),
  );
  $("moves-table").replaceChildren(...(first ? [table(head, body)] : []));
}

const table = (head, body) => el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));

// ---- Candidates ----

/** Asks for the candidates when they are first looked at. */
async function openCandidates() {
  if (!$("all").open || !state.last || state.last.candidates || state.running) return;
  const { last } = state;
  await busy(async () => {
    last.answers = await ask(last.question, true);
    last.candidates = true;
    say("");
    showCandidates();
  });
}

function showCandidates() {
  const [answer, without] = state.last.answers;
  const found = answer.candidates;
  $("all-table").replaceChildren();
  $("more").hidden = true;
  $("all-summary").textContent = "";
  if (!found) return void openCandidates();
  const before = bySpan(without);
  const rows = found.map((entity) => {
    const b = without && scoreOf(entity, before);
    return {
      ...entity,
      without: b,
      moved: b === undefined ? undefined : entity.score - b,
      isFound: answer.entities.some(same(entity)),
    };
  });
  const columns = [
    ["Text", "start"],
    ["Label", "label"],
  ];
  columns.push(
    ...(without
      ? [
          ["Without", "without"],
          ["With", "score"],
          ["Moved", "moved"],
        ]
      : [["Score", "score"]]),
  );
  if (!columns.some(([, by]) => by === state.sort?.by)) state.sort = { by: "score", down: true };
  const { by, down } = state.sort;
  const order = (x, y) => (x[by] === y[by] ? y.score - x.score : (x[by] ?? -2) < (y[by] ?? -2) ? -1 : 1);
  rows.sort((x, y) => (down && x[by] !== y[by] ? -order(x, y) : order(x, y)));
  const body = rows
    .slice(0, state.rows)
    .map((row) =>
      el(
        "tr",
        {},
        el(
          "th",
          { scope: "row", className: "text" },
          row.text,
          row.isFound && el("span", { className: "only" }, "found"),
        ),
        el("td", { className: "text" }, chip(row.label)),
        without && el("td", { className: "wide" }, percent(row.without, 1)),
        el("td", {}, percent(row.score, 1)),
        without && el("td", {}, row.moved === undefined ? "–" : signed(100 * row.moved)),
      ),
    );
  $("all-table").replaceChildren(...(rows.length ? [table(columns.map(heading), body)] : []));
  const [shown, all] = [Math.min(rows.length, state.rows), rows.length];
  $("all-summary").textContent = !all
    ? "No span of words is an entity with a probability of 0.1% or more."
    : `${count(all, "span")} of words${all === MOST_CANDIDATES ? ", the most probable ones" : ""}, ` +
      "each with its likeliest label. They may overlap; what was found is the best that do not.";
  $("more").hidden = shown === all;
  $("more").textContent = `Show all ${number(all)}`;
}

/** The heading of a column, which sorts by it. */
function heading([name, by]) {
  const { sort } = state;
  const button = el("button", { type: "button" }, name);
  button.onclick = () => {
    state.sort = { by, down: sort.by === by ? !sort.down : !["start", "label"].includes(by) };
    showCandidates();
    [...$("all-table").querySelectorAll("button")].find((other) => other.textContent === name).focus();
  };
  const properties = { scope: "col", className: { start: "text", label: "text", without: "wide" }[by] ?? "" };
  if (sort.by === by) properties.ariaSort = sort.down ? "descending" : "ascending";
  return el("th", properties, button);
}

// ---- Copies ----

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** What is copied, by its name. */
const forms = {
  json({ answers: [answer] }) {
    const { candidates, ...rest } = answer;
    // A field a line and an entity a line: a word a line is nothing to read.
    const entities = rest.entities.map((entity) => `    ${JSON.stringify(entity)}`).join(",\n");
    const value = (name) => (name === "entities" && entities ? `[\n${entities}\n  ]` : JSON.stringify(rest[name]));
    return `{\n${Object.keys(rest)
      .map((name) => `  ${JSON.stringify(name)}: ${value(name)}`)
      .join(",\n")}\n}\n`;
  },
  curl({ question: { text, picture } }) {
    const lines = [`curl ${shell(new URL("v1/predict", location.href).href)}`];
    if (state.key) lines.push('-H "Authorization: Bearer $SMVAE_KEY"');
    if (picture) {
      const name = picture.file.name.replace(/["\\]/g, "\\$&");
      lines.push(
        `--form-string ${shell(`posts=${JSON.stringify({ text, image: "image" })}`)}`,
        `-F ${shell(`image=@"${name}"`)}`,
      );
    } else {
      lines.push("-H 'Content-Type: application/json'", `--data-raw ${shell(JSON.stringify({ text }))}`);
    }
    return lines.join(" \\\n  ");
  },
  python({ question: { text, picture } }) {
    const url = JSON.stringify(new URL("v1/predict", location.href).href);
    const key = state.key ? ', "Authorization": "Bearer " + os.environ["SMVAE_KEY"]' : "";
    const imports = `import json\n${state.key ? "import os\n" : ""}${picture ? "import secrets\n" : ""}import urllib.request\n\n`;
    const body = picture
      ? `post = ${JSON.stringify({ text, image: "image" })}\n` +
        `with open(${JSON.stringify(picture.file.name)}, "rb") as file:\n    parts = {"posts": json.dumps(post).encode(), "image": file.read()}\n` +
        'boundary = secrets.token_hex(16)\nbody = b""\nfor name, content in parts.items():\n' +
        '    body += f\'--{boundary}\\r\\nContent-Disposition: form-data; name="{name}"\\r\\n\\r\\n\'.encode() + content + b"\\r\\n"\n' +
        'body += f"--{boundary}--\\r\\n".encode()\ncontent_type = f"multipart/form-data; boundary={boundary}"\n'
      : `post = ${JSON.stringify({ text })}\nbody = json.dumps(post).encode()\ncontent_type = "application/json"\n`;
    return (
      `${imports}${body}headers = {"Content-Type": content_type${key}}\n` +
      `request = urllib.request.Request(${url}, data=body, headers=headers)\n` +
      "with urllib.request.urlopen(request) as response:\n    answer = json.load(response)\n" +
      'for entity in answer["entities"]:\n    print(entity["label"], entity["text"], round(entity["score"], 3))\n'
    );
  },
};

function showCode() {
  if (!state.last) return;
  const form = document.querySelector("[name=form]:checked").value;
  $("code").textContent = forms[form](state.last);
  const hints = [];
  if (form !== "json" && state.last.question.picture) hints.push("The picture is read from the folder it is run in.");
  if (form !== "json" && state.key) hints.push("The key is taken from the environment variable SMVAE_KEY.");
  $("copy-hint").textContent = hints.join(" ");
}

/** Copies text and says so on the button; where the browser does not let it, `otherwise` helps. */
async function copy(button, text, otherwise) {
  // Kept: a second click finds "Copied" there.
  const name = (button.dataset.name ??= button.textContent);
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = name), 1500);
  } catch {
    otherwise();
  }
}
