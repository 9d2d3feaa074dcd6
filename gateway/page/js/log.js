/**
 * What has been said, folded from the server's events. It draws nothing and sends nothing.
 *
 * @typedef {object} Waterfall `antiphon.turn.waterfall`, all in milliseconds
 * @property {string} outcome
 * @property {string | null} heard_text
 * @property {number | null} total_ms
 * @property {number} endpointing_ms
 * @property {number} stt_ms
 * @property {number} llm_ms
 * @property {number} tts_ms
 * @property {number} gateway_ms
 * @property {number} saved_ms
 * @property {string[]} overruns
 * @property {Record<string, number>} budgets_ms
 *
 * @typedef {object} Entry
 * @property {string} id of the item
 * @property {"user" | "assistant" | "tool" | "notice"} kind
 * @property {string} text
 * @property {number} stable characters that will not change; all of them once it is done
 * @property {boolean} pending it is being spoken, and may come to nothing
 * @property {string} told what transcription deltas added up to
 * @property {boolean} done
 * @property {string | null} heard what the listener heard of it; null: all
 * @property {"" | "interrupted" | "failed" | "incomplete" | "waiting" | "empty"} mark
 * @property {string} why
 * @property {string | null} response
 * @property {Waterfall | null} waterfall
 * @property {number | null} ears milliseconds from the last sound of the question to the first in this browser
 * @property {{call: string, name: string, arguments: string, output: string | null} | null} tool
 */

export class Log {
  /** @param {(entry: Entry, gone: boolean) => void} changed */
  constructor(changed) {
    /** @type {Entry[]} */
    this.entries = [];
    this.begins = 0;
    this.changed = changed;
  }

  /** @returns {Entry | undefined} */
  entry(id) {
    return this.entries.find((entry) => entry.id === id);
  }

  /** Those of one response. */
  of(response) {
    return this.entries.filter((entry) => entry.response === response);
  }

  /**
   * The entry, made where there is none.
   * @param {string} id
   * @param {Entry["kind"]} kind
   * @param {Partial<Entry>} change
   */
  put(id, kind, change) {
    let entry = this.entry(id);
    if (!entry) {
      entry = {
        id, kind, text: "", stable: 0, pending: false, told: "", done: false, heard: null, mark: "", why: "",
        response: null, waterfall: null, ears: null, tool: null,
      };
      this.entries.push(entry);
    }
    Object.assign(entry, change);
    this.changed(entry, false);
    return entry;
  }

  remove(id) {
    const entry = this.entry(id);
    if (!entry) return;
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.changed(entry, true);
  }

  /** A line between what is said. */
  notice(text) {
    this.put(`notice_${this.entries.length}_${performance.now()}`, "notice", { text, done: true });
  }

  /**
   * Fold one server event.
   * @param {any} event
   */
  apply(event) {
    const fold = folds[event.type];
    if (fold) fold(this, event);
  }

  /** A conversation is over: the next one knows nothing of it. What was never sent is the next one's first. */
  close(text) {
    for (const { id, kind, text: said } of this.entries.filter(({ done }) => !done)) {
      if (kind === "user" && !said) this.remove(id);
      else if (kind === "user") this.put(id, kind, { done: true, pending: false });
      else if (kind === "assistant") this.put(id, kind, { done: true, mark: "interrupted" });
    }
    this.notice(text);
    const waiting = this.entries.findIndex(({ mark }) => mark === "waiting");
    this.begins = waiting < 0 ? this.entries.length : waiting;
  }

  /** A tool has run. */
  returned(id, output) {
    const { tool } = this.entry(id);
    this.put(id, "tool", { done: true, tool: { ...tool, output } });
  }

  /** What was said in this conversation, as items that a new conversation can begin with. */
  items() {
    const items = [];
    for (const entry of this.entries.slice(this.begins)) {
      const text = entry.heard ?? entry.text;
      if (entry.kind === "user" && text && entry.mark !== "waiting") {
        items.push({ type: "message", role: "user", content: [{ type: "input_text", text }] });
      } else if (entry.kind === "assistant" && text && entry.done) {
        items.push({ type: "message", role: "assistant", content: [{ type: "output_text", text }] });
      } else if (entry.tool && entry.tool.output !== null) {
        const { call: call_id, name, arguments: given, output } = entry.tool;
        items.push({ type: "function_call", call_id, name, arguments: given });
        items.push({ type: "function_call_output", call_id, output });
      }
    }
    return items;
  }
}

function spoke(log, id, text, response) {
  const entry = log.entry(id);
  const all = (entry?.text ?? "") + text;
  log.put(id, "assistant", { text: all, stable: all.length, response });
}

/** How much of a text was heard, where the gateway says it in words of its own spacing. */
export function heardOf(text, heard) {
  const wanted = heard.replace(/\s+/g, "");
  let at = 0;
  let matched = 0;
  while (at < text.length && matched < wanted.length) {
    if (!/\s/.test(text[at])) {
      if (text[at] !== wanted[matched]) break;
      matched += 1;
    }
    at += 1;
  }
  while (/\s/.test(text[at] ?? "")) at += 1;
  return text.slice(0, at);
}

/** @type {Record<string, (log: Log, event: any) => void>} */
const folds = {
  "input_audio_buffer.speech_started": (log, { item_id }) => {
    // What came to nothing is never committed, and nobody says what it was.
    log.entries.filter(({ pending, id }) => pending && id !== item_id).forEach(({ id }) => log.remove(id));
    log.put(item_id, "user", { pending: true });
  },
  "input_audio_buffer.committed": (log, { item_id }) => log.put(item_id, "user", { pending: false }),
  "antiphon.input.partial": (log, { item_id, text, stable }) => {
    if (!log.entry(item_id)?.done) log.put(item_id, "user", { text, stable });
  },
  "conversation.item.input_audio_transcription.delta": (log, { item_id, delta }) => {
    const entry = log.entry(item_id);
    if (entry?.done) return;
    // Partials of the extension say more than deltas do; without them the deltas are all there is.
    const told = (entry?.told ?? "") + delta;
    const longer = told.length > (entry?.text ?? "").length;
    log.put(item_id, "user", longer ? { told, text: told, stable: told.length } : { told });
  },
  "conversation.item.input_audio_transcription.completed": (log, { item_id, transcript }) => {
    if (transcript) {
      log.put(item_id, "user", { text: transcript, stable: transcript.length, done: true });
    } else {
      log.put(item_id, "user", { text: "", done: true, mark: "empty" });
    }
  },
  "conversation.item.input_audio_transcription.failed": (log, { item_id, error }) => {
    log.put(item_id, "user", { done: true, mark: "failed", why: error?.message ?? "" });
  },
  "conversation.item.retrieved": (log, { item }) => {
    // The history keeps of an answer what was heard.
    const entry = log.entry(item.id);
    const part = item.content?.[0];
    const heard = part?.transcript ?? part?.text;
    if (entry?.mark !== "interrupted" || typeof heard !== "string") return;
    log.put(item.id, entry.kind, { heard: heardOf(entry.text, heard) });
  },
  "conversation.item.deleted": (log, { item_id }) => log.remove(item_id),
  "response.output_audio_transcript.delta": (log, { item_id, delta, response_id }) =>
    spoke(log, item_id, delta, response_id),
  "response.output_text.delta": (log, { item_id, delta, response_id }) =>
    spoke(log, item_id, delta, response_id),
  "response.function_call_arguments.done": (log, event) => {
    log.put(event.item_id, "tool", {
      response: event.response_id,
      tool: { call: event.call_id, name: event.name, arguments: event.arguments, output: null },
    });
  },
  "response.done": (log, { response }) => {
    const why = response.status_details?.error?.message ?? response.status_details?.reason ?? "";
    const entries = log.of(response.id).filter((entry) => entry.kind === "assistant");
    for (const entry of entries) log.put(entry.id, entry.kind, { done: true });
    const last = entries.at(-1);
    if (response.status === "cancelled" && last) {
      log.put(last.id, last.kind, { mark: "interrupted" });
    } else if (response.status === "failed" || response.status === "incomplete") {
      log.put(last?.id ?? `${response.id}_${response.status}`, "assistant", {
        done: true, mark: response.status, why, response: response.id,
      });
    }
  },
  "antiphon.turn.waterfall": (log, waterfall) => {
    const last = log.of(waterfall.response_id).filter((entry) => entry.kind === "assistant").at(-1);
    if (!last) return;
    const change = {};
    if (typeof waterfall.total_ms === "number") change.waterfall = waterfall;
    if (last.mark === "interrupted" && typeof waterfall.heard_text === "string") {
      change.heard = heardOf(last.text, waterfall.heard_text);
    }
    log.put(last.id, last.kind, change);
  },
};
