/** The session's response latencies: median, 95th percentile, and how they went. */
import { draw, whole } from "./dom.js";
import { fill, strings } from "./strings.js";

const WIDTH = 240;
const HEIGHT = 56;
const EDGE = 5;
// More than this many are a smear.
const SHOWN = 40;

/**
 * Nearest rank.
 * @param {number[]} values not empty
 * @param {number} part 0..1
 */
export function percentile(values, part) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)];
}

/** @param {{total: number, over: boolean, budget: number | null}[]} turns oldest first */
function sparkline(turns) {
  const shown = turns.slice(-SHOWN);
  const budget = shown.at(-1).budget;
  const top = Math.max(...shown.map(({ total }) => total), budget ?? 0) * 1.05;
  const x = (i) => EDGE + (shown.length === 1 ? 1 : i / (shown.length - 1)) * (WIDTH - 2 * EDGE);
  const y = (value) => HEIGHT - EDGE - (value / top) * (HEIGHT - 2 * EDGE);
  const values = shown.map(({ total }) => whole(total)).join(", ");
  const label = fill(strings.figures.spark, { count: shown.length, values });
  const picture = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label, class: "spark" });
  if (budget !== null) {
    picture.append(draw("line", { class: "limit", x1: 0, x2: WIDTH, y1: y(budget), y2: y(budget) }));
  }
  picture.append(draw("polyline", { points: shown.map(({ total }, i) => `${x(i)},${y(total)}`).join(" ") }));
  shown.forEach(({ total, over }, i) => {
    const last = i === shown.length - 1;
    const side = last ? 6 : 4;
    const shape = { x: x(i) - side / 2, y: y(total) - side / 2, width: side, height: side };
    picture.append(draw("rect", { ...shape, class: `${over ? "over" : ""}${last ? " last" : ""}` }));
  });
  return picture;
}

export class Figures {
  /** @param {{p50: HTMLElement, p95: HTMLElement, count: HTMLElement, spark: HTMLElement, box: HTMLElement}} places */
  constructor(places) {
    this.places = places;
    this.turns = new Map();
    places.count.textContent = strings.figures.none;
  }

  /**
   * An answer's waterfall came.
   * @returns {boolean} whether it is new
   */
  add(id, waterfall) {
    if (this.turns.has(id)) return false;
    const over = waterfall.overruns?.includes("total") ?? false;
    this.turns.set(id, { total: waterfall.total_ms, over, budget: waterfall.budgets_ms?.total ?? null });
    const turns = [...this.turns.values()];
    const totals = turns.map(({ total }) => total);
    const { p50, p95, count, spark, box } = this.places;
    p50.textContent = whole(percentile(totals, 0.5));
    p95.textContent = whole(percentile(totals, 0.95));
    count.textContent = totals.length === 1 ? strings.figures.oneTurn : fill(strings.figures.turns, { count: totals.length });
    spark.replaceChildren(sparkline(turns));
    box.classList.add("filled");
    return true;
  }

  /** For the export. */
  summary() {
    const totals = [...this.turns.values()].map(({ total }) => total);
    if (totals.length === 0) return { answers: 0 };
    return { answers: totals.length, p50_ms: percentile(totals, 0.5), p95_ms: percentile(totals, 0.95) };
  }
}
