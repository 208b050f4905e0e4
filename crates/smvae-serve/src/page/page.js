"use strict";
// The page that tries the model. What is posted comes back as text and stays text: it is put into
// the page as text nodes alone. Offsets of the service count Unicode scalar values, and a string of
// JavaScript counts UTF-16, so that texts are cut as lists of characters.

const FORMATS = {
  "image/jpeg": "JPEG",
  "image/png": "PNG",
  "image/gif": "GIF",
  "image/webp": "WebP",
  "image/bmp": "BMP",
};
// The most candidates that the service gives.
const MOST_CANDIDATES = 1000;
// Rows of the table of candidates until more are asked for.
const FEW_ROWS = 30;
// How often a busy service is asked again before that is left to the person.
const TRIES = 5;
const EXAMPLES = [
  "Happy birthday to Mira Solberg! A bright sunset in Bergen and tickets for the Harbour Lights festival.",
  "Flying to Oslo tomorrow 😅 coach Ida Brandt shouts at the players of Fjord United again",
  "Norvane Motors opens a great factory in northern Lund, and the trailer of Salt and Amber is out 📺",
];

// The card of the model; the key, if one was asked for; the picture that was chosen; what was asked
// last and its answers; what is on its way.
const state = { card: null, key: "", picture: null, last: null, running: null, example: 0, sort: null, rows: FEW_ROWS };

const $ = (id) => document.getElementById(id);
// Spans that are less probable are no candidates: of them this is known and no more.
const LEAST = 0.001;
const percent = (score, digits = 0) =>
  score === undefined ? "–" : score < LEAST ? "<0.1%" : `${(100 * score).toFixed(digits)}%`;
const count = (n, word, words = `${word}s`) => `${n} ${n === 1 ? word : words}`;
const names = () => state.card.labels.slice(1);

/** An element with properties and content; strings become text, and what is false or empty nothing. */
function el(name, properties = {}, ...content) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...content.filter(Boolean));
  return element;
}

/** A label as it stands in marks and tables. */
function chip(label) {
  return el("span", { className: `chip c${Math.max(0, names().indexOf(label)) % 8}` }, label);
}

// ---- Asking the service ----

/** Why there is no answer: what the service said, or the page says for it. */
class Refused extends Error {
  constructor(message, { status = 0, field = null, code = "", wait = 0 } = {}) {
    super(message);
    Object.assign(this, { status, field, code, wait });
  }
}

/** Asks once. */
async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (state.key) headers.authorization = `Bearer ${state.key}`;
  let response, body;
  try {
    response = await fetch(path, { ...options, headers });
    body = await response.json().catch(() => null);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The service does not answer. Is it running, and can this browser reach it?");
  }
  if (response.ok && body) return body;
  const { message = `the service answers with status ${response.status}`, field, code } = body?.error ?? {};
  const wait = Number(response.headers.get("retry-after")) || 0;
  const sentence = message[0].toUpperCase() + message.slice(1) + (/[.?!]$/.test(message) ? "" : ".");
  throw new Refused(sentence, { status: response.status, field, code, wait });
}

/** The request for a post: with a picture one for both the post with it and the post without. */
function request({ text, picture }, candidates) {
  const path = candidates ? `v1/predict?candidates=${MOST_CANDIDATES}` : "v1/predict";
  if (!picture) {
    return [path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ text }) }];
  }
  const body = new FormData();
  // A file, since browsers change the line breaks of fields that are text.
  const posts = JSON.stringify([{ text, image: "image" }, { text }]);
  body.append("posts", new Blob([posts], { type: "application/json" }));
  body.append("image", picture.file, picture.file.name);
  return [path, { method: "POST", body }];
}

/** The answers to a post, with its picture first. Waits and asks again while the service is busy. */
async function ask(question, candidates) {
  const { signal } = (state.running = new AbortController());
  const [path, options] = request(question, candidates);
  for (let tries = 1; ; tries++) {
    try {
      return [await call(path, { ...options, signal })].flat();
    } catch (error) {
      if (!error.wait || tries === TRIES) throw error;
      say(`The service is busy. ${error.message} This page asks again in ${count(error.wait, "second")}.`);
      await pause(1000 * error.wait, signal);
    }
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** The text of the form. Complains and is empty where there is none. */
function written() {
  // Half of a character, which neither JSON nor a link can hold, is shown as such.
  const text = $("text").value.toWellFormed?.() ?? $("text").value;
  if (text.trim()) return text;
  complain("text", "Write or paste a text first.");
  return "";
}

/** Finds the entities of what stands in the form, and shows them. */
async function find() {
  if (state.running) return state.running.abort();
  complain();
  const text = written();
  if (!text || (!state.card && !(await meet()))) return;
  const question = { text, picture: state.picture };
  const candidates = Boolean(state.picture) || $("all").open;
  await busy(async () => {
    const start = performance.now();
    const answers = await ask(question, candidates);
    state.last = { question, answers, candidates };
    state.rows = FEW_ROWS;
    show();
    const [{ entities, words }] = answers;
    const time = Math.max(1, Math.round(performance.now() - start));
    say(`Found ${count(entities.length, "entity", "entities")} in ${count(words.length, "word")}, in ${time} ms.`);
  });
  // Where they were unfolded meanwhile.
  await openCandidates();
}

/** Does what takes a while: the button stops it, and what goes wrong is told. */
async function busy(work) {
  $("send").textContent = "Stop";
  $("result").setAttribute("aria-busy", "true");
  const slow = setTimeout(() => say("Asking the model …"), 300);
  try {
    await work();
  } catch (error) {
    say("");
    if (error.name === "AbortError") say("Stopped.");
    else if (error.status === 401) askForKey();
    else if (error instanceof Refused) complain(place(error), error.message);
    else throw error;
  } finally {
    clearTimeout(slow);
    state.running = null;
    $("send").textContent = "Find entities";
    $("result").removeAttribute("aria-busy");
  }
}

/** Next to which field an error is shown. */
function place({ status, field, code }) {
  if (status === 429) return "other";
  if (field === "image" || code === "too_many_pixels" || (code === "too_large" && state.picture)) return "picture";
  return field === "text" || field === "words" || code.startsWith("too_") ? "text" : "other";
}

function say(message) {
  $("status").textContent = message;
}

/** Shows an error next to a field, or takes back all of them. */
function complain(field, message) {
  for (const name of ["key", "text", "picture", "other"]) {
    $(`${name}-error`).textContent = name === field ? message : "";
    $(name)?.setAttribute("aria-invalid", name === field && message !== "");
  }
  if (field) say("");
  if (field && field !== "other") $(field).focus();
}

// ---- The key and the model ----

function askForKey() {
  const again = Boolean(state.key);
  $("key-form").hidden = false;
  complain("key", again ? "This is not its key." : "");
  $("key").focus();
}

async function useKey() {
  const key = $("key").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) return complain("key", "A key has letters, digits and signs, and no blanks.");
  state.key = key;
  complain();
  if (await meet()) {
    $("key-form").hidden = true;
    $("key").value = "";
    $("text").focus();
    if ($("text").value) await find();
  }
}

/** Learns what the model is. */
async function meet() {
  try {
    state.card = await call("v1/model");
  } catch (error) {
    if (error.status === 401) askForKey();
    else complain("other", error.message);
    return false;
  }
  const { card } = state;
  const some = names().length > 8 ? [...names().slice(0, 7), `${names().length - 7} others`] : names();
  const reads = card.reads_pictures
    ? "which reads a post and its picture"
    : card.looks_at_images
      ? "which was trained with pictures, too, and reads text alone here"
      : "which reads text";
  $("about").textContent = `${list(some)}: found by the model “${card.run}”, ${reads}.`;
  $("picture-field").hidden = !card.reads_pictures;
  $("facts").replaceChildren(...facts(card).flatMap(([name, ...fact]) => [el("dt", {}, name), el("dd", {}, ...fact)]));
  return true;
}

function facts(card) {
  const { encoder, limits } = card;
  const pictures = card.reads_pictures
    ? `${list(Object.values(FORMATS))}, of at most ${number(limits.pixels)} pixels and ${megabytes(limits.upload_bytes)}. ` +
      "The first frame of a moving one. Other formats are not read."
    : card.looks_at_images
      ? "None here: the model was trained with images, but the service has no vision model to read them."
      : "None: the model was trained without images.";
  return [
    ["Labels", ...names().flatMap((label) => [chip(label), " "]), "It knows no others."],
    [
      "Length",
      `A post has at most ${number(limits.words)} words. The model reads ${number(encoder.max_pieces)} pieces of words at once, ` +
        "about four pieces to three words. Words that it did not read are struck out in the result.",
    ],
    ["Entities", `Of at most ${count(card.max_width, "word")}, and never one inside another.`],
    ["Pictures", pictures],
    ["Words", "Split as in its corpus: ", el("code", {}, card.words)],
    [
      "Encoder",
      `${encoder.family}, ${count(encoder.layers, "layer")} of ${number(encoder.hidden_size)} numbers, ` +
        `${number(encoder.vocabulary)} pieces. Signs that are in none of them are all alike to it.`,
    ],
    ["Weights", el("code", {}, card.weights_sha256.slice(0, 16))],
    ["Version", `smvae ${card.version}`],
  ];
}

const number = (n) => n.toLocaleString("en");
const megabytes = (bytes) =>
  bytes < 1 << 20 ? `${number(Math.ceil(bytes / 1024))} KiB` : `${number(+(bytes / (1 << 20)).toFixed(1))} MiB`;
const list = (words) => (words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

// ---- The picture ----

/** Takes a picture, or says why not. */
function take(file) {
  if (!file) return;
  complain();
  if (!state.card?.reads_pictures) return complain("other", "This service reads no pictures; see “The model” below.");
  const limit = state.card.limits.upload_bytes;
  // A little of the limit is for the text.
  const most = limit - Math.min(limit / 2, 64 * 1024);
  if (!(file.type in FORMATS)) {
    return complain(
      "picture",
      `${file.name || "This"} is no picture that can be read: ${list(Object.values(FORMATS))} can.`,
    );
  }
  if (file.size > most) {
    return complain("picture", `The picture has ${megabytes(file.size)}, the limit is ${megabytes(most)}.`);
  }
  drop();
  const url = URL.createObjectURL(file);
  const picture = (state.picture = { file, url });
  const title = `${file.name}, ${megabytes(file.size)}`;
  $("picture-name").textContent = title;
  $("thumb").onload = () =>
    ($("picture-name").textContent = `${title}, ${$("thumb").naturalWidth} × ${$("thumb").naturalHeight}`);
  $("thumb").src = picture.url;
  for (const id of ["preview", "remove"]) $(id).hidden = false;
  $("choose").textContent = "Choose another picture";
}

/** Is without a picture from now on. */
function drop() {
  state.picture = null;
  $("picture").value = "";
  for (const id of ["preview", "remove"]) $(id).hidden = true;
  $("choose").textContent = "Choose a picture";
}

/** An evening by the sea for the examples, drawn here so that no file is needed. */
function drawn() {
  const canvas = el("canvas", { width: 480, height: 320 });
  const pen = canvas.getContext("2d");
  const fill = (colours, top, bottom) => {
    pen.fillStyle = pen.createLinearGradient(0, top, 0, bottom);
    colours.forEach((colour, i) => pen.fillStyle.addColorStop(i / (colours.length - 1), colour));
  };
  const box = (colours, top, bottom) => (fill(colours, top, bottom), pen.fillRect(0, top, 480, bottom - top));
  box(["#27375f", "#a8577e", "#f6a55f", "#ffdf9e"], 0, 210);
  pen.fillStyle = "#fff1c4";
  pen.arc(300, 178, 30, 0, 7);
  pen.fill();
  for (const [height, step, colour] of [
    [150, 90, "#7a5478"],
    [172, 60, "#51446b"],
    [192, 42, "#32324f"],
  ]) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.moveTo(0, 211);
    for (let x = 0; x <= 480; x += 4)
      pen.lineTo(x, height + 16 * Math.sin(x / step) + 7 * Math.sin((3 * x) / step + height));
    pen.lineTo(480, 211);
    pen.fill();
  }
  box(["#f0a268", "#8d5378", "#2b3559"], 210, 320);
  pen.fillStyle = "#ffe9b0";
  for (let i = 0; i < 9; i++) pen.fillRect(300 - 32 + 3 * i + 5 * Math.sin(5 * i), 218 + 9 * i, 64 - 6 * i, 3);
  return new Promise((resolve) =>
    canvas.toBlob((blob) => resolve(new File([blob], "evening.png", { type: "image/png" })), "image/png"),
  );
}

// ---- Links that carry the text ----

function copyLink() {
  const text = written();
  if (!text) return;
  // Behind the #, which browsers keep to themselves: no server sees the text.
  const hash = `#text=${encodeURIComponent(text)}`;
  const otherwise = () => {
    history.replaceState(null, "", hash);
    say("The link is in the address bar.");
  };
  copy($("link"), location.href.split("#")[0] + hash, otherwise);
}

/** Takes the text of the page's own link, and looks for its entities. */
function followLink() {
  const text = new URLSearchParams(location.hash.slice(1)).get("text");
  if (!text) return;
  $("text").value = text;
  drop();
  if (state.card) find();
}

// ---- What a person does ----

function on(id, event, act) {
  $(id).addEventListener(event, (happened) => {
    if (event === "submit") happened.preventDefault();
    act(happened);
  });
}

on("ask", "submit", find);
on("key-form", "submit", useKey);
on("ask", "keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || state.running) return;
  event.preventDefault();
  find();
});
on("picture", "change", () => take($("picture").files[0]));
on("remove", "click", () => {
  drop();
  complain();
  $("picture").focus();
});
on("example", "click", async () => {
  if (state.running) return;
  $("text").value = EXAMPLES[state.example++ % EXAMPLES.length];
  if (state.card?.reads_pictures) take(await drawn());
  find();
});
on("link", "click", copyLink);
on("all", "toggle", openCandidates);
on("more", "click", () => {
  state.rows = Infinity;
  showCandidates();
  $("all-table").focus();
});
on("program", "change", showCode);
on("copy", "click", () =>
  copy($("copy"), $("code").textContent, () => {
    getSelection().selectAllChildren($("code"));
    say("The text is selected: copy it with the keyboard.");
  }),
);
addEventListener("hashchange", followLink);
addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (!file) return;
  event.preventDefault();
  take(file);
});
// A picture may be dropped anywhere; text that is dragged is left to the browser.
for (const name of ["dragover", "dragleave", "drop"]) {
  addEventListener(name, (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    $("drop").classList.toggle("over", name === "dragover");
    if (name === "drop") take(event.dataTransfer.files[0]);
  });
}
// Made here, since the page itself may name nothing to load: browsers would ask for /favicon.ico.
const icon =
  "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect y='3' width='16' height='10' rx='3' fill='#0b5cad'/></svg>";
document.head.append(el("link", { rel: "icon", href: `data:image/svg+xml,${encodeURIComponent(icon)}` }));
meet().then((known) => known && followLink());
