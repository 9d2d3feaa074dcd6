/**
 * A connection to the gateway that comes back: opens a link, tells of its events, and opens another where one is lost.
 *
 * @typedef {{kind: "connecting"}
 *   | {kind: "open"}
 *   | {kind: "waiting", why: "lost" | "moved" | "full" | "unavailable", reason: string, until: number}
 *   | {kind: "ended", why: "key" | "keyRefused" | "unreachable" | "said", reason: string, param: string}} Status
 */
import { ask, openCall, openSocket, Refused } from "./links.js";

const WAITS = [0.4, 1, 2, 4, 8, 8, 8, 8];
// Milliseconds after which a connection counts as one that held: the next loss begins with the shortest wait again.
const STEADY = 5000;
const POLICY = 1008;
const FULL = 1013;
const MOVE_ON = 1001;
// Code of an error: the gateway is there, and what it needs is not.
const UNAVAILABLE = "unavailable";
// Codes of an `error` event after which the gateway closes for good, whatever the close code says.
const FINAL = new Set(["session_expired", "rate_limit_exceeded", "insufficient_quota", "invalid_api_key"]);
const LAST_WORDS = new Set([...FINAL, "service_unavailable"]);
let eventNumber = 0;

/** Whether an error says why the connection is about to be closed. */
export function lastWords({ code }) {
  return LAST_WORDS.has(code);
}

export class Realtime {
  /**
   * @param {object} ends
   * @param {(event: any) => void} ends.event
   * @param {(status: Status) => void} ends.status
   */
  constructor(ends) {
    this.ends = ends;
    /** @type {import("./links.js").Link | null} */
    this.link = null;
    this.wish = null;
    this.attempt = 0;
    this.wasOpen = false;
    /** The last `error` event, which tells why a connection is closed. */
    this.last = null;
    /** The gateway holds a conversation with us. */
    this.held = false;
    this.timer = 0;
    this.turn = 0;
    this.openedAt = 0;
    /** Events that came with the opening. */
    this.early = [];
  }

  /**
   * Open a conversation and keep it open.
   * @param {() => {transport: string, key: string, model: string, stream: MediaStream | null}} wish asked at each try
   */
  open(wish) {
    this.close();
    this.wish = wish;
    this.attempt = 0;
    this.wasOpen = false;
    this.ends.status({ kind: "connecting" });
    return this.#try();
  }

  /**
   * Send one client event.
   * @returns {string | null} its event_id; null where there is no connection
   */
  send(event) {
    if (this.link === null) return null;
    eventNumber += 1;
    const id = `page_${eventNumber}`;
    this.link.send({ event_id: id, ...event });
    return id;
  }

  /** The path that 50 events a second take. */
  append(audio) {
    this.link?.send({ type: "input_audio_buffer.append", audio });
  }

  /** Hang up; nothing more is told. */
  close() {
    this.turn += 1;
    window.clearTimeout(this.timer);
    this.link?.close();
    this.link = null;
    this.wish = null;
  }

  async #try() {
    const turn = this.turn;
    const wish = this.wish();
    const ends = {
      event: (event) => turn === this.turn && this.#event(event),
      closed: (closed) => turn === this.turn && this.#closed(closed),
    };
    this.last = null;
    this.held = false;
    this.early = [];
    try {
      const open = wish.transport === "webrtc" ? openCall : openSocket;
      const link = await open(wish, ends);
      if (turn !== this.turn) {
        link.close();
        return;
      }
      this.link = link;
      this.early.splice(0).forEach((event) => this.#event(event));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (turn === this.turn) await this.#refused(error, wish.key, turn);
    }
  }

  #event(event) {
    if (this.link === null) {
      this.early.push(event);
      return;
    }
    if (event.type === "error") this.last = event.error;
    if (event.type === "session.created") {
      this.held = true;
      this.wasOpen = true;
      this.openedAt = performance.now();
      this.ends.status({ kind: "open" });
    }
    // What is said before there is a conversation is why there will be none.
    if (this.held) this.ends.event(event);
  }

  /** Browsers do not say why a socket was refused; HTTP does. */
  async #refused(error, key, turn) {
    let { status } = error;
    if (status === -1) {
      status = await ask("/v1/models", key).then(
        () => 503,
        (refused) => refused.status,
      );
    }
    if (turn !== this.turn) return;
    if (status === 401 || status === 403) {
      this.#end(key ? "keyRefused" : "key", error.message);
    } else if (status === 429 || status === 503) {
      this.#again(error.code === UNAVAILABLE ? "unavailable" : "full", error.message);
    } else if (status === 0 || status >= 500) {
      if (this.wasOpen) this.#again("lost");
      else this.#end("unreachable", error.message);
    } else {
      this.#end("said", error.message);
    }
  }

  #closed({ code, reason }) {
    this.link = null;
    if (this.held && performance.now() - this.openedAt > STEADY) this.attempt = 0;
    const said = this.last?.message ?? reason;
    if (code === FULL) this.#again(this.last?.code === UNAVAILABLE ? "unavailable" : "full", said);
    else if (code === MOVE_ON) this.#again("moved");
    else if (code === POLICY || code === 1000 || FINAL.has(this.last?.code)) this.#end("said", said, this.last?.param);
    else this.#again("lost");
  }

  #again(why, reason = "") {
    // A gateway that is there is worth waiting for.
    if (this.attempt >= WAITS.length && why === "lost") {
      this.#end("unreachable", "");
      return;
    }
    // Many pages that lost one gateway must not come back in the same instant.
    const wait = WAITS[Math.min(this.attempt, WAITS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.attempt += 1;
    this.ends.status({ kind: "waiting", why, reason, until: performance.now() + wait * 1000 });
    this.timer = window.setTimeout(() => this.#try(), wait * 1000);
  }

  #end(why, reason, param = "") {
    this.close();
    this.ends.status({ kind: "ended", why, reason, param });
  }
}
