/**
 * Whose turn it is: what an event of the gateway changes, and what is said to it in answer.
 */
import { lastWords } from "./realtime.js";
import { choiceOf, session, whyOf } from "./settings.js";
import { sentence } from "./strings.js";
import { Calls } from "./tools.js";

const INTERRUPTED_FOR = 1200;
// Events whose refusal is still waited for; what is older was taken.
const REMEMBERED = 64;

export class Turns {
  /**
   * @param {object} parts
   * @param {import("./settings.js").Settings} parts.settings
   * @param {import("./realtime.js").Realtime} parts.realtime
   * @param {import("./voices.js").Voices} parts.voices
   * @param {import("./log.js").Log} parts.log
   * @param {import("./stopwatch.js").Stopwatch} parts.stopwatch
   * @param {(change: Partial<import("./state.js").Facts>) => void} parts.stands
   * @param {(choice: string | null, why: string) => void} parts.refused a setting
   * @param {() => void} parts.settled the settings hold
   */
  constructor({ settings, realtime, voices, log, stopwatch, stands, refused, settled }) {
    this.settings = settings;
    this.realtime = realtime;
    this.voices = voices;
    this.log = log;
    this.stopwatch = stopwatch;
    this.stands = stands;
    this.refused = refused;
    this.settled = settled;
    /** The answer that is under way, and those that the user has cut off. */
    this.response = null;
    this.cut = new Set();
    this.calls = new Calls();
    /** Another answer is to be asked for when this one is over. */
    this.wanted = false;
    /** What is told when a conversation that broke off goes on. */
    this.bridge = "";
    /** Events that we sent, whose refusal has a place of its own. */
    this.sent = new Map();
  }

  /** Nothing is under way any more. */
  restart() {
    this.voices.speaker?.stop();
    this.response = null;
    this.calls.forget();
    this.wanted = false;
    this.stopwatch.restart();
  }

  /** The choices are how it is to be from now on. */
  update() {
    const events = this.realtime.link?.kind === "websocket";
    const wish = session(this.settings.now, this.settings.callsTools, events);
    this.#send({ type: "session.update", session: wish }, "settings");
  }

  /** Send what waits, and ask for an answer to it. */
  flush() {
    const waiting = this.log.entries.filter(({ mark }) => mark === "waiting");
    if (waiting.length === 0) return;
    this.interrupt();
    for (const { id, text } of waiting) {
      const item = { id, type: "message", role: "user", content: [{ type: "input_text", text }] };
      this.realtime.send({ type: "conversation.item.create", item });
    }
    this.stopwatch.restart();
    this.stands({ thinking: true });
    this.answer();
  }

  /** Ask for an answer, as soon as none is under way. */
  answer() {
    if (this.response !== null) {
      this.wanted = true;
      return;
    }
    this.wanted = false;
    this.#send({ type: "response.create" }, "answer");
  }

  /** The user has the word: whatever is being said ends. */
  interrupt() {
    if (this.response !== null) {
      this.cut.add(this.response);
      this.#send({ type: "response.cancel", response_id: this.response }, "quiet");
      if (this.realtime.link?.kind === "webrtc") this.realtime.send({ type: "output_audio_buffer.clear" });
    }
    this.#quieten();
  }

  /** Stop playing, and tell the gateway how much of it was heard. */
  async #quieten() {
    const stopped = await this.voices.speaker?.stop();
    if (!stopped) return;
    const { item, heard, received } = stopped;
    this.stands({ interrupted: true });
    window.clearTimeout(this.moment);
    this.moment = window.setTimeout(() => this.stands({ interrupted: false }), INTERRUPTED_FOR);
    if (heard >= received) return;
    const event = { type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: Math.floor(heard) };
    this.#send(event, "quiet");
  }

  /** The gateway said something. */
  event(event) {
    const known = this.#handlers[event.type];
    if (event.response_id && this.cut.has(event.response_id) && event.type.endsWith(".delta")) return;
    this.log.apply(event);
    if (known) known(event);
  }

  #send(event, what) {
    this.sent.set(this.realtime.send(event), what);
    if (this.sent.size > REMEMBERED) this.sent.delete(this.sent.keys().next().value);
  }

  #handlers = {
    "session.created": () => {
      this.update();
      const said = this.log.items();
      for (const item of said) this.realtime.send({ type: "conversation.item.create", item });
      if (said.length > 0 && this.bridge) this.log.notice(this.bridge);
      this.bridge = "";
      this.flush();
    },
    "session.updated": () => this.settled(),
    "input_audio_buffer.speech_started": () => {
      this.#quieten();
      this.stands({ hearing: true, thinking: false });
    },
    "input_audio_buffer.speech_stopped": ({ audio_end_ms }) => {
      this.stopwatch.stopped(audio_end_ms);
      this.stands({ hearing: false });
    },
    "input_audio_buffer.committed": () => this.stands({ thinking: true }),
    "conversation.item.input_audio_transcription.completed": ({ transcript, item_id }) => {
      if (transcript) return;
      this.log.remove(item_id);
      if (!this.response) this.stands({ thinking: false });
    },
    "conversation.item.input_audio_transcription.failed": () => this.stands({ thinking: false }),
    "conversation.item.added": ({ item }) => {
      const entry = this.log.entry(item.id);
      if (entry?.mark === "waiting") this.log.put(item.id, "user", { mark: "" });
    },
    "conversation.item.truncated": ({ item_id }) => this.#retrieve(item_id),
    "response.created": ({ response }) => {
      this.response = response.id;
      this.stands({ thinking: true });
    },
    "response.output_audio.delta": ({ item_id, delta }) => this.voices.speaker?.play(item_id, delta),
    "response.output_audio.done": ({ item_id }) => this.voices.speaker?.end(item_id),
    "response.output_text.delta": () => this.stands({ thinking: false }),
    "response.function_call_arguments.done": (call) => this.calls.add(call),
    "response.done": ({ response }) => this.#done(response),
    "output_audio_buffer.started": () => {
      this.stopwatch.sounded(performance.now());
      this.stands({ thinking: false, speaking: true });
    },
    "output_audio_buffer.stopped": () => this.stands({ speaking: false }),
    "output_audio_buffer.cleared": () => this.stands({ speaking: false }),
    "antiphon.response.ducked": ({ ducked }) => this.voices.speaker?.duck(ducked),
    error: ({ error }) => this.#refused(error),
  };

  /** Ask what of an item the history keeps. */
  #retrieve(item_id) {
    this.#send({ type: "conversation.item.retrieve", item_id }, "quiet");
  }

  #done({ id, status, output }) {
    if (this.response === id) this.response = null;
    if (status === "cancelled") {
      this.#quieten();
      for (const item of output) this.#retrieve(item.id);
    }
    this.cut.delete(id);
    for (const { item_id, call_id, output } of this.calls.run(id, status)) {
      this.log.returned(item_id, output);
      const item = { type: "function_call_output", call_id, output };
      this.realtime.send({ type: "conversation.item.create", item });
      this.wanted = true;
    }
    if (this.wanted) this.answer();
    else this.stands({ thinking: false });
  }

  #refused(error) {
    const what = this.sent.get(error.event_id);
    this.sent.delete(error.event_id);
    if (what === "quiet") return;
    if (what === "settings") {
      const choice = choiceOf(error.param);
      this.refused(choice, choice ? whyOf(error) : error.message);
      return;
    }
    if (what === "answer") this.stands({ thinking: false });
    if (error.code === "conversation_already_has_active_response") this.wanted = true;
    else if (!lastWords(error)) this.log.notice(sentence(error.message));
  }
}
