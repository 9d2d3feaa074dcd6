/**
 * Changes the rate of a stream of samples, with state, so that pieces of any length join without a click.
 *
 * A windowed sinc (Blackman) of `ZEROS` zero crossings a side, looked up at any fractional position; its cutoff lies
 * below the lower of both rates' Nyquist frequencies, so what would fold back is taken away first.
 */
const ZEROS = 16;
const STEPS = 256;
// Part of the lower Nyquist frequency that passes: the rest is the filter's slope.
const PASS = 0.92;

/** One side of the windowed sinc, `STEPS` entries a zero crossing. */
const TABLE = (() => {
  const table = new Float32Array(ZEROS * STEPS + 2);
  for (let i = 0; i <= ZEROS * STEPS; i += 1) {
    const x = i / STEPS;
    const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
    const phase = Math.PI * (1 + x / ZEROS);
    table[i] = sinc * (0.42 - 0.5 * Math.cos(phase) + 0.08 * Math.cos(2 * phase));
  }
  return table;
})();

export class Resampler {
  /**
   * @param {number} from Hz
   * @param {number} to Hz
   */
  constructor(from, to) {
    this.step = from / to;
    this.same = from === to;
    this.scale = Math.min(1, to / from) * PASS;
    this.reach = Math.ceil(ZEROS / this.scale);
    // What lies before the first sample is silence.
    this.kept = new Float32Array(this.reach);
    this.position = this.reach;
  }

  /**
   * The samples that can be made now; the last `reach` samples' worth wait for what follows them.
   * @param {Float32Array} samples
   * @returns {Float32Array}
   */
  push(samples) {
    if (this.same) return samples;
    const all = new Float32Array(this.kept.length + samples.length);
    all.set(this.kept);
    all.set(samples, this.kept.length);
    const last = all.length - this.reach - 1;
    const count = Math.max(0, Math.floor((last - this.position) / this.step) + 1);
    const out = new Float32Array(count);
    for (let i = 0; i < count; i += 1) out[i] = this.#at(all, this.position + i * this.step);
    this.position += count * this.step;
    const drop = Math.max(0, Math.floor(this.position) - this.reach);
    this.kept = all.slice(drop);
    this.position -= drop;
    return out;
  }

  /** What still waits, as if silence followed. */
  flush() {
    return this.same ? new Float32Array(0) : this.push(new Float32Array(this.reach));
  }

  #at(all, position) {
    const first = Math.ceil(position - this.reach);
    const end = Math.floor(position + this.reach);
    let sum = 0;
    for (let i = Math.max(0, first); i <= end && i < all.length; i += 1) {
      const where = Math.abs(i - position) * this.scale * STEPS;
      const index = where | 0;
      if (index >= ZEROS * STEPS) continue;
      sum += all[i] * (TABLE[index] + (TABLE[index + 1] - TABLE[index]) * (where - index));
    }
    return sum * this.scale;
  }
}
