/**
 * Where an answer's milliseconds went, drawn on five lines, one a stage.
 *
 * Time begins where the user's last sound ended. total = endpointing + stt + llm + tts + gateway - saved: what was saved
 * ran ahead of the decision that the user is done, while the silence was waited for, and cost nothing.
 */
import { make, whole } from "./dom.js";
import { fill, strings } from "./strings.js";

export const STAGES = ["endpointing", "stt", "llm", "tts", "gateway"];

/**
 * @typedef {object} Bar all in milliseconds from the end of the speech
 * @property {string} stage
 * @property {number} took
 * @property {number} from
 * @property {number} to
 * @property {number} ahead how much of it ran before the decision
 * @property {number | null} budget
 * @property {boolean} over
 */

/**
 * @param {import("./log.js").Waterfall} waterfall
 * @returns {{bars: Bar[], total: number, saved: number, budget: number | null, over: boolean, span: number}}
 */
export function layout(waterfall) {
  const took = (stage) => Math.max(0, waterfall[`${stage}_ms`] ?? 0);
  const budgets = waterfall.budgets_ms ?? {};
  const overruns = waterfall.overruns ?? [];
  const total = took("total");
  const saved = took("saved");
  const decided = took("endpointing");
  let clock = Math.max(0, decided - saved);
  const bars = STAGES.map((stage) => {
    const from = stage === "endpointing" ? 0 : clock;
    const to = from + took(stage);
    if (stage !== "endpointing") clock = to;
    const ahead = stage === "endpointing" ? 0 : Math.max(0, Math.min(to, decided) - from);
    return { stage, took: took(stage), from, to, ahead, budget: budgets[stage] ?? null, over: overruns.includes(stage) };
  });
  // A gateway that adds nothing after work that was all done ahead ends where the total does.
  const last = bars[bars.length - 1];
  if (last.to < total) Object.assign(last, { from: total - last.took, to: total, ahead: 0 });
  const budget = budgets.total ?? null;
  // Answers within their budget share one scale, so that they can be compared; an overrun stretches beyond it.
  const span = Math.max(total, budget ?? 0, ...bars.map(({ to }) => to), 1);
  return { bars, total, saved, budget, over: overruns.includes("total"), span };
}

/** One stage in words. */
function sentence({ stage, took, ahead, budget, over }) {
  const { name, what } = strings.stages[stage];
  let text = fill(strings.fall.readout, { stage: name, ms: whole(took), what });
  if (ahead >= 0.5) text += fill(strings.fall.readoutAhead, { ahead: whole(ahead) });
  if (budget !== null) {
    text += fill(over ? strings.fall.readoutOver : strings.fall.readoutBudget, { budget: whole(budget) });
  }
  return text;
}

function summary({ total, saved, budget, over }) {
  if (over && budget !== null) {
    return fill(strings.fall.overBy, { by: whole(total - budget), budget: whole(budget) });
  }
  if (saved >= 0.5) return fill(strings.fall.saved, { saved: whole(saved) });
  return budget === null ? "" : fill(strings.fall.within, { budget: whole(budget) });
}

function table({ bars, total, budget, over }) {
  const cell = (text, over) => make("td", { text, class: over ? "over" : null });
  const rows = bars.map((bar) =>
    make("tr", {},
      make("th", { scope: "row", text: strings.stages[bar.stage].name }),
      cell(`${whole(bar.took)} ms`, bar.over),
      cell(`${whole(bar.from)} ms`),
      cell(bar.budget === null ? "–" : `${whole(bar.budget)} ms`)),
  );
  const head = make("tr", {}, ...strings.fall.columns.map((text) => make("th", { scope: "col", text })));
  const foot = make("tr", {},
    make("th", { scope: "row", text: strings.fall.totalRow }),
    cell(`${whole(total)} ms`, over),
    cell("0 ms"),
    cell(budget === null ? "–" : `${whole(budget)} ms`));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows), make("tfoot", {}, foot));
}

/** Ticks that can be read: a few round numbers. */
function ticks(span) {
  const step = [50, 100, 200, 250, 500, 1000, 2000, 5000, 10000, 30000].find((each) => span / each <= 6) ?? 60000;
  return Array.from({ length: Math.floor(span / step) + 1 }, (_, i) => i * step);
}

function place(element, from, to, span) {
  element.style.setProperty("--from", from / span);
  element.style.setProperty("--size", (to - from) / span);
  return element;
}

function row(bar, span) {
  const line = make("div", { class: `line ${bar.stage}${bar.over ? " over" : ""}`, "data-stage": bar.stage });
  const track = make("div", { class: "track" });
  if (bar.ahead > 0) track.append(place(make("i", { class: "bar ahead" }), bar.from, bar.from + bar.ahead, span));
  if (bar.took - bar.ahead > 0) track.append(place(make("i", { class: "bar" }), bar.from + bar.ahead, bar.to, span));
  const due = bar.from + (bar.budget ?? 0);
  if (bar.budget !== null && due <= span) track.append(place(make("i", { class: "budget" }), due, due, span));
  line.append(
    make("span", { class: "stage", text: strings.stages[bar.stage].name }),
    track,
    make("span", { class: "took", text: whole(bar.took) }),
  );
  return line;
}

/**
 * The drawing, with its numbers as a table.
 * @param {import("./log.js").Waterfall} waterfall
 * @param {number | null} ears milliseconds as this browser measured them
 */
export function drawing(waterfall, ears) {
  const plan = layout(waterfall);
  const { bars, total, budget, span, over } = plan;
  const readout = make("span", { class: "readout", text: summary(plan) });
  const staff = make("div", {
    class: "staff", tabindex: "0", role: "group", "aria-roledescription": "waterfall",
    "aria-label": `${fill(strings.fall.label, { total: whole(total) })}. ${bars.map(sentence).join(". ")}. ${strings.fall.keys}`,
  });
  const lines = bars.map((bar) => row(bar, span));
  const axis = make("div", { class: "axis", "aria-hidden": "true" });
  for (const at of ticks(span)) {
    axis.append(place(make("i", { class: "tick", text: whole(at) }), at, at, span));
  }
  if (budget !== null && budget <= span) axis.append(place(make("i", { class: "limit" }), budget, budget, span));
  axis.append(place(make("i", { class: "arrival" }), total, total, span));
  staff.append(axis, ...lines);

  let picked = -1;
  const pick = (index) => {
    picked = index;
    lines.forEach((line, i) => line.classList.toggle("picked", i === index));
    readout.textContent = index < 0 ? summary(plan) : sentence(bars[index]);
  };
  lines.forEach((line, index) => {
    line.addEventListener("pointerenter", () => pick(index));
  });
  staff.addEventListener("pointerleave", () => pick(-1));
  staff.addEventListener("blur", () => pick(-1));
  staff.addEventListener("focus", () => staff.matches(":focus-visible") && pick(0));
  staff.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    pick(Math.min(lines.length - 1, Math.max(0, picked + step)));
  });
  readout.setAttribute("aria-live", "polite");

  const number = make("span", { class: "total" }, make("b", { text: whole(total) }), make("small", { text: strings.fall.unit }));
  const details = make("details", {}, make("summary", { text: strings.fall.table }), table(plan));
  if (ears !== null) details.append(make("p", { text: fill(strings.fall.atYourEars, { ms: whole(ears) }) }));
  return make("figure", { class: `waterfall${over ? " over" : ""}` },
    make("figcaption", {}, number, readout), staff, details);
}
