/**
 * The conversation: what is sent when, and what an event of the gateway changes.
 *
 * It owns the connection, the microphone and the speaker. The log tells what was said, `facts` how things stand.
 */
import { Log } from "./log.js";
import { lastWords, Realtime } from "./realtime.js";
import { choiceOf, session } from "./settings.js";
import { NOTHING } from "./state.js";
import { Stopwatch } from "./stopwatch.js";
import { fill, sentence, strings } from "./strings.js";
import { Calls } from "./tools.js";
import { Voices } from "./voices.js";

// What is shorter was no word, but a button touched.
const SHORTEST_HOLD = 250;
const INTERRUPTED_FOR = 1200;

function newId() {
  return `item_${Array.from(crypto.getRandomValues(new Uint8Array(10)), (b) => b.toString(16).padStart(2, "0")).join("")}`;
}

export class Talk {
  /**
   * @param {import("./settings.js").Settings} settings
   * @param {object} ends
   * @param {(entry: import("./log.js").Entry, gone: boolean) => void} ends.said
   * @param {(facts: import("./state.js").Facts) => void} ends.stands
   * @param {(choice: string | null, why: string) => void} ends.refused a setting
   * @param {() => void} ends.settled
   */
  constructor(settings, ends) {
    this.settings = settings;
    this.ends = ends;
    this.facts = { ...NOTHING };
    this.log = new Log((entry, gone) => ends.said(entry, gone));
    this.stopwatch = new Stopwatch();
    this.realtime = new Realtime({
      event: (event) => this.#event(event),
      status: (status) => this.#status(status),
    });
    this.voices = new Voices({
      heard: (audio, at) => this.#heard(audio, at),
      lost: () => {
        this.#stands({ listens: false, microphone: "missing" });
        this.log.notice(strings.microphone.lost);
      },
      began: (item, at) => {
        this.stopwatch.sounded(at);
        this.#stands({ thinking: false, speaking: true });
        this.log.put(item, "assistant", { ears: this.stopwatch.taken() });
      },
      silent: () => this.#stands({ speaking: false }),
    });
    this.response = null;
    this.calls = new Calls();
    this.wanted = false;
    this.wantsMicrophone = true;
    this.bridged = "";
    this.cut = new Set();
    /** Events that we sent, whose refusal has a place of its own. */
    this.sent = new Map();
  }

  /**
   * Begin, or give a conversation that has none a microphone. Typing needs none.
   * @param {boolean} listening
   */
  async begin(listening) {
    const fresh = this.facts.link === "idle" || this.facts.link === "ended";
    if (fresh) {
      this.wantsMicrophone = listening;
      this.#stands({ ...NOTHING, link: "connecting" });
    }
    // The browser's question about the microphone takes as long as its user does.
    if (listening) await this.#listen();
    if (this.facts.link !== "connecting" && fresh) return;
    await this.voices.open();
    if (fresh || (listening && this.realtime.link?.kind === "webrtc")) await this.#connect();
  }

  /** End it. */
  end() {
    this.realtime.close();
    this.#close();
    this.#stands({ ...NOTHING });
    this.log.close(strings.entry.endedByYou);
  }

  mute(muted) {
    this.voices.microphone?.mute(muted);
    this.#stands({ muted });
  }

  /** Send what was typed; without a connection it waits for one. */
  async say(text) {
    const id = newId();
    this.log.put(id, "user", { text, stable: text.length, done: true, mark: "waiting" });
    if (this.facts.link === "open") this.#flush();
    else await this.begin(false);
  }

  /** The button is held down. */
  hold() {
    if (this.facts.link !== "open" || this.facts.holding || this.voices.microphone === null) return;
    this.held = performance.now();
    this.#interrupt();
    this.realtime.send({ type: "input_audio_buffer.clear" });
    this.#rest(false);
    this.#stands({ holding: true, hearing: true });
  }

  /** The button is let go. */
  letGo() {
    if (!this.facts.holding) return;
    this.#rest(true);
    const long = performance.now() - this.held >= SHORTEST_HOLD;
    this.#stands({ holding: false, hearing: false, thinking: long });
    if (long) {
      this.stopwatch.spoke(performance.now());
      this.realtime.send({ type: "input_audio_buffer.commit" });
      this.#answer();
    } else {
      this.realtime.send({ type: "input_audio_buffer.clear" });
      this.log.notice(strings.hold.short);
    }
  }

  /**
   * A choice changed, or what is possible: it holds from now on.
   * @param {keyof import("./settings.js").Choices} name
   */
  async changed(name) {
    if (name === "transport" || name === "model") {
      if (this.facts.link === "open") await this.#connect();
      return;
    }
    if (name === "mode") this.#rest(this.settings.now.mode === "push-to-talk");
    if (this.facts.link === "open") this.#update();
  }

  /** Both voices, for whoever draws them. */
  get analysers() {
    return this.voices.analysers(this.realtime.link);
  }

  async #listen() {
    const microphone = await this.voices.listen();
    if (!microphone) {
      this.#rest(this.settings.now.mode === "push-to-talk");
      this.#stands({ listens: true, microphone });
    } else {
      // A conversation that is under way goes on without; one that would only now begin does not.
      this.#stands({ microphone, ...(this.facts.link === "connecting" ? { link: "idle" } : {}) });
    }
  }

  /** Push to talk: nothing is said until the button is held. */
  #rest(resting) {
    const { microphone } = this.voices;
    if (microphone) microphone.resting = resting;
    this.mute(resting);
  }

  #heard(audio, at) {
    if (this.realtime.link?.kind !== "websocket") return;
    this.stopwatch.heard(at);
    this.realtime.append(audio);
  }

  #connect() {
    this.#silence();
    return this.realtime.open(() => ({
      transport: this.settings.now.transport,
      model: this.settings.now.model,
      key: this.settings.key,
      stream: this.voices.microphone?.stream ?? null,
    }));
  }

  #close() {
    this.#silence();
    this.voices.mislay();
  }

  #silence() {
    this.voices.speaker?.stop();
    this.response = null;
    this.calls.forget();
    this.wanted = false;
    this.stopwatch.restart();
  }

  /** @param {import("./realtime.js").Status} status */
  #status(status) {
    const quiet = { hearing: false, thinking: false, speaking: false, holding: false, interrupted: false };
    if (status.kind === "open") {
      this.stopwatch.opened();
        this.#stands({ ...quiet, link: "open", why: "", reason: "" });
    } else if (status.kind === "waiting") {
      this.#silence();
      this.bridged = status.why === "moved" ? strings.entry.moved : strings.entry.reconnected;
      this.#stands({ ...quiet, link: "waiting", why: status.why, reason: status.reason, until: status.until });
    } else if (status.kind === "ended") {
      this.#close();
      this.#stands({ ...NOTHING, link: "ended", why: status.why, reason: status.reason });
      const choice = choiceOf(status.param);
      if (choice) this.ends.refused(choice, status.reason);
      else if (status.why === "said") this.log.close(fill(strings.entry.ended, { why: sentence(status.reason) }));
    } else {
      this.#stands({ ...quiet, link: "connecting", why: "", reason: "" });
    }
  }

  #stands(change) {
    this.facts = { ...this.facts, ...change };
    this.ends.stands(this.facts);
  }

  #update() {
    const events = this.realtime.link?.kind === "websocket";
    const wish = session(this.settings.now, this.settings.callsTools, events);
    this.sent.set(this.realtime.send({ type: "session.update", session: wish }), "settings");
  }

  /** Send what waits, and ask for an answer to it. */
  #flush() {
    const waiting = this.log.entries.filter(({ mark }) => mark === "waiting");
    if (waiting.length === 0) return;
    this.#interrupt();
    for (const { id, text } of waiting) {
      const item = { id, type: "message", role: "user", content: [{ type: "input_text", text }] };
      this.realtime.send({ type: "conversation.item.create", item });
    }
    this.stopwatch.restart();
    this.#stands({ thinking: true });
    this.#answer();
  }

  /** Ask for an answer, as soon as none is under way. */
  #answer() {
    if (this.response !== null) {
      this.wanted = true;
      return;
    }
    this.wanted = false;
    this.sent.set(this.realtime.send({ type: "response.create" }), "answer");
  }

  /** The user has the word: whatever is being said ends. */
  #interrupt() {
    if (this.response !== null) {
      this.cut.add(this.response);
      this.sent.set(this.realtime.send({ type: "response.cancel", response_id: this.response }), "quiet");
      if (this.realtime.link?.kind === "webrtc") this.realtime.send({ type: "output_audio_buffer.clear" });
    }
    this.#quieten();
  }

  /** Stop playing, and tell the gateway how much of it was heard. */
  async #quieten() {
    const stopped = await this.voices.speaker?.stop();
    if (!stopped) return;
    const { item, heard, received } = stopped;
    this.#stands({ interrupted: true });
    window.clearTimeout(this.moment);
    this.moment = window.setTimeout(() => this.#stands({ interrupted: false }), INTERRUPTED_FOR);
    if (heard >= received) return;
    const event = { type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: Math.floor(heard) };
    this.sent.set(this.realtime.send(event), "quiet");
  }

  #event(event) {
    const known = this.#handlers[event.type];
    if (event.response_id && this.cut.has(event.response_id) && event.type.endsWith(".delta")) return;
    this.log.apply(event);
    if (known) known(event);
  }

  #handlers = {
    "session.created": () => {
      this.#update();
      const said = this.log.items();
      for (const item of said) this.realtime.send({ type: "conversation.item.create", item });
      if (said.length > 0 && this.bridged) this.log.notice(this.bridged);
      this.bridged = "";
      this.#flush();
    },
    "session.updated": () => this.ends.settled(),
    "input_audio_buffer.speech_started": () => {
      this.#quieten();
      this.#stands({ hearing: true, thinking: false });
    },
    "input_audio_buffer.speech_stopped": ({ audio_end_ms }) => {
      this.stopwatch.stopped(audio_end_ms);
      this.#stands({ hearing: false });
    },
    "input_audio_buffer.committed": () => this.#stands({ thinking: true }),
    "conversation.item.input_audio_transcription.completed": ({ transcript, item_id }) => {
      if (transcript) return;
      this.log.remove(item_id);
      if (!this.response) this.#stands({ thinking: false });
    },
    "conversation.item.input_audio_transcription.failed": () => this.#stands({ thinking: false }),
    "conversation.item.added": ({ item }) => {
      const entry = this.log.entry(item.id);
      if (entry?.mark === "waiting") this.log.put(item.id, "user", { mark: "" });
    },
    "conversation.item.truncated": ({ item_id }) => this.#retrieve(item_id),
    "response.created": ({ response }) => {
      this.response = response.id;
      this.#stands({ thinking: true });
    },
    "response.output_audio.delta": ({ item_id, delta }) => this.voices.speaker?.play(item_id, delta),
    "response.output_audio.done": ({ item_id }) => this.voices.speaker?.end(item_id),
    "response.output_text.delta": () => this.#stands({ thinking: false }),
    "response.function_call_arguments.done": (call) => this.calls.add(call),
    "response.done": ({ response }) => this.#done(response),
    "output_audio_buffer.started": () => {
      this.stopwatch.sounded(performance.now());
      this.#stands({ thinking: false, speaking: true });
    },
    "output_audio_buffer.stopped": () => this.#stands({ speaking: false }),
    "output_audio_buffer.cleared": () => this.#stands({ speaking: false }),
    "antiphon.response.ducked": ({ ducked }) => this.voices.speaker?.duck(ducked),
    error: ({ error }) => this.#refused(error),
  };

  /** Ask what of an item the history keeps. */
  #retrieve(item_id) {
    this.sent.set(this.realtime.send({ type: "conversation.item.retrieve", item_id }), "quiet");
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
    if (this.wanted) this.#answer();
    else this.#stands({ thinking: false });
  }

  #refused(error) {
    const what = this.sent.get(error.event_id);
    this.sent.delete(error.event_id);
    if (what === "quiet") return;
    if (what === "settings") {
      this.ends.refused(choiceOf(error.param), error.message);
      return;
    }
    if (what === "answer") this.#stands({ thinking: false });
    if (error.code === "conversation_already_has_active_response") this.wanted = true;
    else if (!lastWords(error)) this.log.notice(sentence(error.message));
  }
}
