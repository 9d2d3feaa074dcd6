/**
 * The five lines at the top: strings that sound with both voices, and the staff that the last answer's time is written on.
 */
import { whole } from "./dom.js";
import { strings } from "./strings.js";
import { layout, STAGES } from "./waterfall.js";

// Milliseconds that a note takes to be written, and that the next one waits.
const LANDING = 420;
const STAGGER = 60;
const POINTS = 160;
// Samples that one point is made of, and points that a line lags behind the one above.
const EACH = 9;
const SHIFT = 7;
// What counts as full loudness: people speak into a microphone at about this RMS.
const LOUD = 0.12;

// Milliseconds that the lines are long before there was an answer: its usual budget.
const SPAN = 1200;

/** Of a note between lines so far apart. */
function thickness(gap) {
  return Math.max(8, Math.min(18, gap * 0.42));
}

export class Staff {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => {you: AnalyserNode | null, antiphon: AnalyserNode | null}} analysers
   * @param {() => number | null} running milliseconds that an answer has been waited for
   */
  constructor(canvas, analysers, running) {
    this.canvas = canvas;
    this.analysers = analysers;
    this.running = running;
    this.still = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.samples = new Float32Array(2048);
    this.strength = { you: 0, antiphon: 0 };
    this.plan = null;
    this.landed = 0;
    this.faded = 0;
    this.alive = false;
    this.frame = 0;
    this.colors = {};
    new ResizeObserver(() => this.#resize()).observe(canvas);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.repaint());
  }

  /** Read the colors anew, and draw. */
  repaint() {
    const style = getComputedStyle(this.canvas);
    const names = [...STAGES, "rule", "you", "tint", "over", "ink", "muted", "paper"];
    this.font = style.fontFamily;
    this.colors = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    this.#wake();
  }

  /** @param {boolean} alive a conversation is open */
  live(alive) {
    this.alive = alive;
    this.#wake();
  }

  /** Write an answer's time on the lines. */
  write(waterfall) {
    this.plan = layout(waterfall);
    this.landed = performance.now();
    this.faded = 0;
    this.#wake();
  }

  /** Wipe it off: the next turn begins. */
  wipe() {
    if (this.plan && !this.faded) this.faded = performance.now();
    this.#wake();
  }

  #resize() {
    const ratio = window.devicePixelRatio || 1;
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    this.context = this.canvas.getContext("2d");
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.repaint();
  }

  #wake() {
    if (this.frame || !this.context) return;
    this.frame = requestAnimationFrame((now) => {
      this.frame = 0;
      this.#draw(now);
      const landing = this.plan && now - this.landed < LANDING + STAGGER * 5;
      const fading = this.faded && now - this.faded < LANDING;
      if (this.alive || landing || fading) this.#wake();
    });
  }

  #draw(now) {
    const { context, width, height, colors } = this;
    const voices = this.analysers();
    const waves = [
      this.#wave(voices.you, "you", colors.you),
      this.#wave(voices.antiphon, "antiphon", colors.tint),
    ];
    context.clearRect(0, 0, width, height);
    const gap = height / (STAGES.length + 1);
    STAGES.forEach((_, line) => this.#string(line, gap * (line + 1), gap, waves));
    const waited = this.running();
    if (waited !== null) this.#wait(waited, gap);
    else if (this.plan) this.#notes(now, gap);
  }

  /** One voice as a short smooth wave, and how strong it is. */
  #wave(analyser, name, color) {
    let power = 0;
    if (analyser) {
      analyser.getFloatTimeDomainData(this.samples);
      for (const sample of this.samples) power += sample * sample;
      power = Math.sqrt(power / this.samples.length);
    }
    const goal = Math.min(1, power / LOUD) ** 0.6;
    // Rises at once, falls slowly: as a string does.
    this.strength[name] += (goal - this.strength[name]) * (goal > this.strength[name] ? 0.5 : 0.12);
    const points = new Float32Array(analyser ? POINTS + SHIFT * STAGES.length : 0);
    for (let i = 0; i < points.length; i += 1) {
      let sum = 0;
      for (let j = 0; j < EACH; j += 1) sum += this.samples[i * EACH + j];
      points[i] = sum / EACH;
    }
    const peak = points.reduce((most, point) => Math.max(most, Math.abs(point)), 1e-4);
    return { points: points.map((point) => point / peak), strength: this.strength[name], color };
  }

  #string(line, y, gap, waves) {
    const { context, width, colors } = this;
    const [loudest] = [...waves].sort((a, b) => b.strength - a.strength);
    const sounds = loudest.strength >= 0.03 && loudest.points.length > 0;
    context.beginPath();
    context.lineWidth = 1;
    context.strokeStyle = colors.rule;
    if (sounds) {
      context.globalAlpha = 0.35 + 0.65 * loudest.strength;
      context.strokeStyle = loudest.color;
      context.lineWidth = 1 + (this.still.matches ? 3 : 0.8) * loudest.strength;
    }
    context.moveTo(0, y);
    if (!sounds || this.still.matches) {
      context.lineTo(width, y);
    } else {
      // The middle line swings widest, each a little later than the one above, and notes on them are not shaken off.
      const written = this.plan && !this.faded ? 0.3 : 1;
      const swing = gap * 0.95 * written * loudest.strength * (1 - 0.16 * Math.abs(line - 2));
      const height = (i) => y + loudest.points[i + line * SHIFT] * swing * Math.sin((Math.PI * i) / (POINTS - 1)) ** 1.5;
      const step = width / (POINTS - 1);
      for (let i = 1; i < POINTS; i += 1) {
        // Curves through the middles between points have no corners.
        const middle = (height(i - 1) + height(i)) / 2;
        context.quadraticCurveTo((i - 1) * step, height(i - 1), (i - 0.5) * step, middle);
      }
      context.lineTo(width, y);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  /** The answer is being waited for: the first note is being written, as far as time has come. */
  #wait(waited, gap) {
    const { context, width, height, colors } = this;
    const span = Math.max(this.plan?.span ?? 0, SPAN, waited);
    const x = (waited / span) * width;
    const thick = thickness(gap);
    context.fillStyle = colors.endpointing;
    context.fillRect(0, gap - thick / 2, x, thick);
    context.fillStyle = colors.tint;
    context.fillRect(x - 1, gap * 0.4, 2, height - gap * 0.8);
  }

  #notes(now, gap) {
    const { context, width, plan, colors } = this;
    const fade = this.faded ? Math.max(0, 1 - (now - this.faded) / LANDING) : 1;
    if (fade === 0) return;
    const thick = thickness(gap);
    plan.bars.forEach((bar, line) => {
      const since = this.still.matches ? 1 : (now - this.landed - line * STAGGER) / LANDING;
      const part = Math.min(1, Math.max(0, since));
      const eased = 1 - (1 - part) ** 3;
      const y = gap * (line + 1) - thick / 2;
      const at = (value) => (value / plan.span) * width;
      const ahead = at(bar.ahead) * eased;
      const rest = at(bar.took - bar.ahead) * eased;
      context.globalAlpha = fade;
      context.fillStyle = bar.over ? colors.over : colors[bar.stage];
      if (ahead > 0) this.#hollow(at(bar.from), y, ahead, thick);
      if (bar.took > bar.ahead) context.fillRect(at(bar.from) + ahead, y, Math.max(3, rest), thick);
      context.globalAlpha = fade * eased;
      this.#name(bar, at(bar.from), at(bar.to), gap * (line + 1));
    });
    context.globalAlpha = 1;
  }

  /** What a note is and how long: behind it, or before it where there is no room. */
  #name(bar, start, end, y) {
    const { context, width, colors } = this;
    const name = strings.stages[bar.stage].name;
    const took = ` ${whole(bar.took)}`;
    context.font = `12px ${this.font}`;
    context.textBaseline = "middle";
    const size = context.measureText(name + took).width;
    const behind = end + 8 + size <= width;
    const x = behind ? end + 8 : Math.max(4, start - size - 8);
    context.fillStyle = colors.paper;
    context.fillRect(x - 4, y - 7, size + 8, 14);
    context.fillStyle = colors.muted;
    context.fillText(name, x, y + 0.5);
    context.fillStyle = bar.over ? colors.over : colors.ink;
    context.fillText(took, x + context.measureText(name).width, y + 0.5);
  }

  /** A hollow note: work that cost nothing. */
  #hollow(x, y, length, thick) {
    const { context } = this;
    context.save();
    context.strokeStyle = context.fillStyle;
    context.lineWidth = 1.25;
    context.beginPath();
    context.rect(x, y, length, thick);
    context.clip();
    context.strokeRect(x, y, length, thick);
    context.beginPath();
    for (let start = x - thick; start < x + length; start += 6) {
      context.moveTo(start, y + thick);
      context.lineTo(start + thick, y);
    }
    context.stroke();
    context.restore();
  }
}
