/**
 * What the model may ask of this page.
 *
 * @typedef {object} Tool
 * @property {object} definition as `session.update` takes it
 * @property {(given: any) => object} run returns what the model is told
 */

function tool(name, description, properties, required, run) {
  const parameters = { type: "object", properties, required, additionalProperties: false };
  return { definition: { type: "function", name, description, parameters }, run };
}

/** @type {Tool[]} */
const tools = [
  tool(
    "set_page_color",
    "Change the accent color of the web page that the user is looking at.",
    { color: { type: "string", description: "a CSS color, such as teal or #c2361f" } },
    ["color"],
    ({ color }) => {
      if (typeof color !== "string" || !CSS.supports("color", color)) return { error: "not a CSS color" };
      document.documentElement.style.setProperty("--tint", color);
      return { color, done: true };
    },
  ),
  tool(
    "get_time",
    "The present date and time.",
    { time_zone: { type: "string", description: "IANA name, such as Europe/Paris; the user's own by default" } },
    [],
    ({ time_zone }) => {
      const timeZone = time_zone || undefined;
      try {
        return { time: new Date().toLocaleString("en", { dateStyle: "full", timeStyle: "short", timeZone }) };
      } catch (error) {
        if (error instanceof RangeError) return { error: "no such time zone" };
        throw error;
      }
    },
  ),
  tool(
    "roll_dice",
    "Roll dice.",
    {
      count: { type: "integer", minimum: 1, maximum: 20, description: "how many; 1 by default" },
      sides: { type: "integer", minimum: 2, maximum: 1000, description: "6 by default" },
    },
    [],
    ({ count = 1, sides = 6 }) => {
      const dice = Math.min(20, Math.max(1, Math.trunc(count) || 1));
      const faces = Math.min(1000, Math.max(2, Math.trunc(sides) || 6));
      const rolled = Array.from({ length: dice }, () => 1 + Math.floor(Math.random() * faces));
      return { rolled, sum: rolled.reduce((sum, face) => sum + face, 0) };
    },
  ),
];

export const definitions = tools.map(({ definition }) => definition);

/** Calls of the model, run once the response that they belong to is complete. */
export class Calls {
  constructor() {
    this.waiting = [];
  }

  /** @param {any} event `response.function_call_arguments.done` */
  add(event) {
    this.waiting.push(event);
  }

  forget() {
    this.waiting = [];
  }

  /**
   * Run those of a response.
   * @param {string} response
   * @param {string} status of it; what was cut short is not run
   * @returns {{item_id: string, call_id: string, output: string}[]} output as JSON
   */
  run(response, status) {
    const due = this.waiting.filter(({ response_id }) => response_id === response);
    this.waiting = this.waiting.filter(({ response_id }) => response_id !== response);
    if (status !== "completed") return [];
    return due.map(({ item_id, call_id, name, arguments: given }) => ({ item_id, call_id, output: run(name, given) }));
  }
}

/** One call; arguments and result are JSON. */
function run(name, given) {
  const found = tools.find(({ definition }) => definition.name === name);
  if (!found) return JSON.stringify({ error: `no tool ${name}` });
  let parsed;
  try {
    parsed = JSON.parse(given || "{}");
  } catch {
    return JSON.stringify({ error: "the arguments are no JSON" });
  }
  return JSON.stringify(found.run(parsed ?? {}));
}
