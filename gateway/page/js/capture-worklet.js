/** The microphone's end on the audio thread: mono, 24 kHz, 16 bit, in frames of 40 ms. */
import { Resampler } from "./resample.js";

const RATE = 24000;
const FRAME = RATE * 0.04;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, RATE);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
  }

  process([input]) {
    if (input.length === 0) return true;
    let mono = input[0];
    if (input.length > 1) {
      mono = Float32Array.from(mono, (value, i) => (value + input[1][i]) / 2);
    }
    for (const sample of this.resampler.push(mono)) {
      const value = Math.max(-1, Math.min(1, sample));
      this.frame[this.filled] = Math.round(value * 32767);
      this.filled += 1;
      if (this.filled === FRAME) this.#send();
    }
    return true;
  }

  #send() {
    this.port.postMessage({ frame: this.frame.buffer }, [this.frame.buffer]);
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
  }
}

registerProcessor("capture", Capture);
