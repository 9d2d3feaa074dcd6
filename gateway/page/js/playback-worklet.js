/**
 * The answer's end on the audio thread: a bounded queue of samples that knows what was really played.
 *
 * In: {push: item, samples: ArrayBuffer (int16, 24 kHz)}, {end: item}, {stop: true}, {gain: 0..1}.
 * Out, every 20 ms: {item, played}, milliseconds of the item; {drained: item} after its last sample;
 * {stopped: item | null, played} once it is silent.
 */
import { Resampler } from "./resample.js";

const RATE = 24000;
// Answers come at most a third of a second ahead of time; a minute is for servers that send faster than that.
const LONGEST = 120;
const FIRST = 0.04;
const RAMP = 0.005;
const REPORT = 0.02;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    /** @type {{item: string, samples: Float32Array, last: boolean}[]} */
    this.queue = [];
    this.offset = 0;
    this.waiting = 0;
    this.played = 0;
    this.item = null;
    this.started = false;
    this.gain = 1;
    this.target = 1;
    this.fade = 1;
    this.fading = 0;
    this.tail = 0;
    this.counted = 0;
    this.port.onmessage = ({ data }) => this.#take(data);
  }

  #take(data) {
    if (data.push !== undefined) this.#push(data.push, data.samples);
    else if (data.end !== undefined) this.#end(data.end);
    else if (data.stop) this.#stop();
    else if (data.gain !== undefined) this.target = data.gain;
  }

  #push(item, buffer) {
    if (this.waiting > LONGEST * sampleRate) return;
    if (this.incoming !== item) {
      this.incoming = item;
      this.resampler = new Resampler(RATE, sampleRate);
    }
    const whole = new Int16Array(buffer);
    this.#queue(item, this.resampler.push(Float32Array.from(whole, (value) => value / 32768)), false);
  }

  #end(item) {
    if (this.incoming !== item) return;
    this.#queue(item, this.resampler.flush(), true);
    this.incoming = undefined;
  }

  #queue(item, samples, last) {
    this.queue.push({ item, samples, last });
    this.waiting += samples.length;
    if (last || this.waiting >= FIRST * sampleRate) this.started = true;
  }

  #stop() {
    this.incoming = undefined;
    if (this.started && this.waiting > 0) this.fading = -1 / (RAMP * sampleRate);
    else this.#silence();
  }

  #silence() {
    this.port.postMessage({ stopped: this.item, played: this.#milliseconds() });
    this.queue = [];
    this.offset = 0;
    this.waiting = 0;
    this.played = 0;
    this.item = null;
    this.started = false;
    this.fading = 0;
    this.fade = 1;
  }

  #milliseconds() {
    return (this.played / sampleRate) * 1000;
  }

  /** The next sample; null where there is none. */
  #next() {
    while (this.queue.length > 0) {
      const piece = this.queue[0];
      if (piece.item !== this.item) {
        this.item = piece.item;
        this.played = 0;
      }
      if (this.offset < piece.samples.length) {
        this.played += 1;
        this.waiting -= 1;
        this.offset += 1;
        return piece.samples[this.offset - 1];
      }
      this.queue.shift();
      this.offset = 0;
      if (piece.last) {
        this.port.postMessage({ drained: piece.item, played: this.#milliseconds() });
        if (this.queue.length === 0) this.started = false;
      }
    }
    return null;
  }

  process(_inputs, [output]) {
    const left = output[0];
    const glide = 1 / (0.06 * sampleRate);
    for (let i = 0; i < left.length; i += 1) {
      const sample = this.started ? this.#next() : null;
      // A queue that runs dry must not click: the last sample dies away instead.
      this.tail = sample === null ? this.tail * 0.98 : sample;
      if (this.gain !== this.target) {
        const way = this.target - this.gain;
        this.gain = Math.abs(way) <= glide ? this.target : this.gain + Math.sign(way) * glide;
      }
      left[i] = this.tail * this.gain * this.fade;
      if (this.fading !== 0) {
        this.fade += this.fading;
        if (this.fade <= 0) {
          this.tail = 0;
          this.#silence();
        }
      }
    }
    for (let channel = 1; channel < output.length; channel += 1) output[channel].set(left);
    this.counted += left.length;
    if (this.counted >= REPORT * sampleRate) this.#report();
    return true;
  }

  #report() {
    this.port.postMessage({
      item: this.item,
      played: this.#milliseconds(),
    });
    this.counted = 0;
  }
}

registerProcessor("playback", Playback);
