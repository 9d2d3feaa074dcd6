/**
 * The conversation: how it begins and ends, and what the user's hands do.
 *
 * It owns the connection, the microphone and the speaker. The log tells what was said, `facts` how things stand.
 */
import { Log } from "./log.js";
import { Realtime } from "./realtime.js";
import { choiceOf, whyOf } from "./settings.js";
import { NOTHING } from "./state.js";
import { Stopwatch } from "./stopwatch.js";
import { fill, sentence, strings } from "./strings.js";
import { Turns } from "./turns.js";
import { Voices } from "./voices.js";

// What is shorter was no word, but a button touched.
const SHORTEST_HOLD = 250;

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
      event: (event) => this.turns.event(event),
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
    this.turns = new Turns({
      settings,
      realtime: this.realtime,
      voices: this.voices,
      log: this.log,
      stopwatch: this.stopwatch,
      stands: (change) => this.#stands(change),
      refused: ends.refused,
      settled: ends.settled,
    });
    this.wantsMicrophone = true;
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
    if (this.facts.link === "open") this.turns.flush();
    else await this.begin(false);
  }

  /** The button is held down. */
  hold() {
    if (this.facts.link !== "open" || this.facts.holding || this.voices.microphone === null) return;
    this.held = performance.now();
    this.turns.interrupt();
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
      this.turns.answer();
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
    if (this.facts.link === "open") this.turns.update();
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
    this.turns.restart();
    return this.realtime.open(() => ({
      transport: this.settings.now.transport,
      model: this.settings.now.model,
      key: this.settings.key,
      stream: this.voices.microphone?.stream ?? null,
    }));
  }

  #close() {
    this.turns.restart();
    this.voices.mislay();
  }

  /** @param {import("./realtime.js").Status} status */
  #status(status) {
    const quiet = { hearing: false, thinking: false, speaking: false, holding: false, interrupted: false };
    if (status.kind === "open") {
      this.stopwatch.opened();
      this.#stands({ ...quiet, link: "open", why: "", reason: "" });
    } else if (status.kind === "waiting") {
      this.turns.restart();
      this.turns.bridge = status.why === "moved" ? strings.entry.moved : strings.entry.reconnected;
      this.#stands({ ...quiet, link: "waiting", why: status.why, reason: status.reason, until: status.until });
    } else if (status.kind === "ended") {
      this.#close();
      this.#stands({ ...NOTHING, link: "ended", why: status.why, reason: status.reason });
      const choice = choiceOf(status.param);
      if (choice) this.ends.refused(choice, whyOf({ param: status.param, message: status.reason }));
      else if (status.why === "said") this.log.close(fill(strings.entry.ended, { why: sentence(status.reason) }));
    } else {
      this.#stands({ ...quiet, link: "connecting", why: "", reason: "" });
    }
  }

  #stands(change) {
    this.facts = { ...this.facts, ...change };
    this.ends.stands(this.facts);
  }
}
