/**
 * How long an answer took to reach this browser: from the last sound of the question to the first of the answer.
 *
 * The gateway says where the question ended on the clock of the audio that it got; this page knows when it sent that.
 */
const FRAME = 40;
// Ends of questions lie at most this long back.
const KEPT = 60_000 / FRAME;

export class Stopwatch {
  constructor() {
    this.opened();
  }

  /** A new connection: its audio clock begins at zero. */
  opened() {
    this.restart();
    /** When each frame was taken from the microphone, on the page's clock. */
    this.frames = [];
    this.dropped = 0;
  }

  /** A frame was sent. */
  heard(at) {
    this.frames.push(at);
    if (this.frames.length > KEPT) {
      this.frames.shift();
      this.dropped += 1;
    }
  }

  /** The question ended at this place of the input's audio, in milliseconds. */
  stopped(end) {
    const index = Math.floor(end / FRAME) - this.dropped;
    // The clocks differ by what is under way: an end that lies beyond the last frame is its end.
    const taken = this.frames[index] ?? this.frames.at(-1);
    // A frame is taken when its last sample is there.
    this.spoke(taken === undefined ? null : taken - FRAME + (end % FRAME));
  }

  /** The question ended. */
  spoke(at) {
    this.from = at;
    this.to = null;
  }

  /** The answer sounded for the first time. */
  sounded(at) {
    if (this.from !== null && this.to === null) this.to = at;
  }

  /** Milliseconds; null where there was no question to begin at, or no sound yet. */
  taken() {
    if (this.from === null || this.to === null) return null;
    return Math.round(this.to - this.from);
  }

  /** What runs now: milliseconds since the question ended; null where nothing is waited for. */
  running(now) {
    return this.from !== null && this.to === null ? now - this.from : null;
  }

  /** Nothing is being waited for. */
  restart() {
    this.from = null;
    this.to = null;
  }
}
