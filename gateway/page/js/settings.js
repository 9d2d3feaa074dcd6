/** What the user chose, kept in this browser, and what it means on the wire. */
import { definitions } from "./tools.js";

const PLACE = "antiphon.settings";
const KEY = "antiphon.key";
const DRAFT = "antiphon.draft";

/**
 * @typedef {object} Choices
 * @property {"websocket" | "webrtc"} transport
 * @property {"hands-free" | "push-to-talk"} mode
 * @property {"auto" | "low" | "medium" | "high"} eagerness
 * @property {string} model
 * @property {string} voice
 * @property {string} language
 * @property {string} instructions
 * @property {"audio" | "text"} output
 * @property {boolean} tools
 */

/** @type {Choices} */
export const DEFAULTS = {
  transport: "websocket",
  mode: "hands-free",
  eagerness: "auto",
  model: "",
  voice: "",
  language: "",
  instructions: "",
  output: "audio",
  tools: true,
};

/** @returns {Choices} */
function stored() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(PLACE) ?? "{}") };
  } catch {
    // Storage may be turned off, or hold what another version wrote: neither is worth a word.
    return { ...DEFAULTS };
  }
}

function recall(place) {
  try {
    return sessionStorage.getItem(place);
  } catch {
    return null;
  }
}

function keep(storage, place, value) {
  try {
    storage().setItem(place, value);
  } catch {
    // As above: the choice holds until the page is closed.
  }
}

export class Settings {
  constructor() {
    this.now = stored();
    /** Whether the chosen model calls tools at all, as far as is known. */
    this.callsTools = true;
    /** @type {(name: keyof Choices) => void} */
    this.onchange = () => {};
  }

  set(name, value) {
    if (this.now[name] === value) return;
    this.now = { ...this.now, [name]: value };
    if (name === "model") this.callsTools = true;
    keep(() => localStorage, PLACE, JSON.stringify(this.now));
    this.onchange(name);
  }

  /** Until the tab is closed. */
  get key() {
    return recall(KEY) ?? this.secret ?? "";
  }

  set key(value) {
    this.secret = value;
    keep(() => sessionStorage, KEY, value);
  }

  /** What is being typed; it outlives a reload. */
  get draft() {
    return recall(DRAFT) ?? "";
  }

  set draft(value) {
    keep(() => sessionStorage, DRAFT, value);
  }
}

function turnDetection({ mode, eagerness }) {
  if (mode === "push-to-talk") return null;
  return { type: "semantic_vad", eagerness, create_response: true, interrupt_response: true };
}

/**
 * The session that the choices mean. Null is the gateway's own choice.
 * @param {Choices} choices
 * @param {boolean} callsTools the model does
 * @param {boolean} events audio comes and goes in events, so its format is ours to say
 */
export function session(choices, callsTools, events) {
  const input = {
    transcription: { language: choices.language || null },
    turn_detection: turnDetection(choices),
  };
  const output = { voice: choices.voice || null };
  if (events) {
    input.format = { type: "audio/pcm", rate: 24000 };
    output.format = { type: "audio/pcm", rate: 24000 };
  }
  return {
    type: "realtime",
    instructions: choices.instructions || null,
    // A page that is not secure cannot play anything.
    output_modalities: [window.isSecureContext ? choices.output : "text"],
    audio: { input, output },
    tools: choices.tools && callsTools ? definitions : [],
    tool_choice: "auto",
    antiphon: { waterfall: true, ducking: true, partials: true },
  };
}

/** Why a field of the session was refused, without its path: people see the choice that it belongs to. */
export function whyOf({ param, message }) {
  const place = `${param}: `;
  return message.startsWith(place) ? message.slice(place.length) : message;
}

/** Which choice a refused field of the session belongs to, by `error.param`. */
export function choiceOf(param) {
  const fields = [
    ["voice", "voice"],
    ["language", "language"],
    ["transcription", "language"],
    ["eagerness", "eagerness"],
    ["turn_detection", "mode"],
    ["instructions", "instructions"],
    ["output_modalities", "output"],
    ["tools", "tools"],
    ["model", "model"],
  ];
  return fields.find(([field]) => param?.includes(field))?.[1] ?? null;
}
