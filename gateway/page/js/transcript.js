/** What has been said, on the page. */
import { make } from "./dom.js";
import { fill, strings } from "./strings.js";
import { drawing } from "./waterfall.js";

// The end of the page counts as reached this near to it.
const NEAR = 120;

export class Transcript {
  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} live where a screen reader is told what is settled
   */
  constructor(list, live) {
    this.list = list;
    this.live = live;
    this.drawn = new Map();
  }

  /**
   * Draw an entry anew.
   * @param {import("./log.js").Entry} entry
   * @param {boolean} gone
   */
  show(entry, gone) {
    const follows = this.#atEnd();
    const was = this.drawn.get(entry.id);
    if (gone) {
      was?.element.remove();
      this.drawn.delete(entry.id);
      return;
    }
    const element = was?.element ?? this.#begin(entry);
    const parts = was?.parts ?? {};
    this.drawn.set(entry.id, { element, parts });
    element.className = `entry ${entry.kind} ${entry.mark}${entry.done ? "" : " open"}`;
    this.#words(element.querySelector(".said"), entry);
    this.#waterfall(element, parts, entry);
    this.#tell(parts, entry);
    if (follows) window.scrollTo({ top: document.documentElement.scrollHeight });
  }

  #atEnd() {
    const page = document.documentElement;
    return page.scrollHeight - page.scrollTop - page.clientHeight < NEAR;
  }

  #begin(entry) {
    const who = { user: strings.who.you, assistant: strings.who.antiphon, tool: strings.who.tool }[entry.kind];
    const element = make("li", {}, who ? make("h2", { text: who }) : null, make("div", { class: "said" }));
    this.list.append(element);
    return element;
  }

  #words(said, entry) {
    const { text, stable, heard, mark, why, kind, done, tool } = entry;
    const lines = [];
    if (tool) {
      lines.push(
        make("code", { text: `${tool.name}(${brief(tool.arguments)})` }),
        make("span", { class: "arrow", text: " → " }),
        make("code", { class: "output", text: tool.output === null ? strings.entry.running : brief(tool.output) }),
      );
    } else if (kind === "user" && !done) {
      lines.push(text.slice(0, stable), make("span", { class: "provisional", text: text.slice(stable) || (text ? "" : strings.entry.listening) }));
    } else if (heard !== null && heard.length < text.length) {
      const rest = make("del", { class: "unheard", text: text.slice(heard.length), title: strings.entry.unheard });
      lines.push(heard, rest);
    } else if (text) {
      lines.push(text);
    }
    const note = noteOf(entry);
    if (note) lines.push(" ", make("span", { class: "note", text: text ? `— ${note}` : note }));
    said.replaceChildren(...lines);
  }

  #waterfall(element, parts, entry) {
    if (entry.waterfall === null || parts.waterfall === entry.waterfall) return;
    parts.waterfall = entry.waterfall;
    element.querySelector("figure")?.remove();
    element.append(drawing(entry.waterfall, entry.ears));
  }

  /** Partials would talk over everything; only what is settled is read out. */
  #tell(parts, entry) {
    const said = entry.heard ?? entry.text;
    const sentence = { user: strings.live.you, assistant: strings.live.antiphon, notice: "{text}" }[entry.kind];
    if (!entry.done || parts.told || !said || !sentence) return;
    parts.told = true;
    this.live.append(make("p", { text: fill(sentence, { text: said }) }));
    while (this.live.children.length > 3) this.live.firstChild.remove();
  }
}

function noteOf({ kind, mark, why, text }) {
  switch (mark) {
    case "interrupted":
      return text ? strings.entry.interrupted : strings.entry.cancelled;
    case "waiting":
      return strings.entry.waiting;
    case "failed":
      if (kind === "user") return fill(strings.entry.noTranscript, { why });
      return fill(text ? strings.entry.incomplete : strings.entry.failed, { why });
    case "incomplete":
      return fill(strings.entry.incomplete, { why });
    case "empty":
      return strings.entry.nothing;
    default:
      return "";
  }
}

/** JSON as a person would write it: no outer braces, no quotes around names. */
function brief(json) {
  try {
    const parsed = JSON.parse(json || "{}");
    return Object.entries(parsed).map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(", ");
  } catch {
    return json;
  }
}
