/** The user's voice and the answer's: a microphone that may be missing, and a speaker that is there once it is needed. */
import { Microphone, Speaker } from "./audio.js";

const REFUSALS = {
  NotAllowedError: "denied",
  NotFoundError: "missing",
  NotReadableError: "missing",
  OverconstrainedError: "missing",
  SecurityError: "insecure",
};

export class Voices {
  /**
   * @param {object} ends
   * @param {(audio: string, at: number) => void} ends.heard 40 ms of the user
   * @param {() => void} ends.lost the microphone has gone
   * @param {(item: string, at: number) => void} ends.began an item of an answer sounds
   * @param {() => void} ends.silent nothing does any more
   */
  constructor(ends) {
    this.ends = ends;
    /** @type {Microphone | null} */
    this.microphone = null;
    /** @type {Speaker | null} */
    this.speaker = null;
  }

  /**
   * Ask for the microphone.
   * @returns {Promise<"" | "denied" | "missing" | "insecure">} what keeps it away
   */
  async listen() {
    if (this.microphone) return "";
    const lost = () => {
      this.mislay();
      this.ends.lost();
    };
    try {
      this.microphone = await Microphone.open(this.ends.heard, lost);
      return "";
    } catch (error) {
      const why = REFUSALS[error.name];
      if (!why) throw error;
      return why;
    }
  }

  /** Get ready to play. A page that is not secure is given no audio worklet; there answers can only be read. */
  async open() {
    if (this.speaker || !window.isSecureContext) return;
    const speaker = await Speaker.open();
    speaker.onbegan = this.ends.began;
    speaker.onsilent = this.ends.silent;
    this.speaker = speaker;
  }

  /** Give the microphone back. */
  mislay() {
    this.microphone?.close();
    this.microphone = null;
  }

  /** @param {import("./links.js").Link | null} link a call brings its own */
  analysers(link) {
    return {
      you: this.microphone?.analyser ?? null,
      antiphon: link?.analyser ?? this.speaker?.analyser ?? null,
    };
  }
}
