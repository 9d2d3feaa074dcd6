/**
 * How things stand, in one word and one sentence.
 *
 * @typedef {object} Facts
 * @property {"idle" | "connecting" | "open" | "waiting" | "ended"} link
 * @property {string} why of a wait or an end
 * @property {string} reason in the gateway's words
 * @property {number} until when the next try begins
 * @property {"" | "denied" | "missing" | "insecure"} microphone what keeps it away
 * @property {boolean} hearing
 * @property {boolean} thinking
 * @property {boolean} speaking
 * @property {boolean} interrupted a moment ago
 * @property {boolean} holding
 * @property {boolean} muted
 * @property {boolean} listens there is a microphone
 */
import { fill, sentence, strings } from "./strings.js";

/** @type {Facts} */
export const NOTHING = {
  link: "idle", why: "", reason: "", until: 0, microphone: "",
  hearing: false, thinking: false, speaking: false, interrupted: false, holding: false, muted: false, listens: false,
};

/**
 * @param {Facts} facts
 * @param {import("./settings.js").Choices} choices
 * @param {number} now
 * @returns {{name: string, title: string, hint: string}} name: of `strings.state`
 */
export function stateOf(facts, choices, now) {
  const [name, hint, values] = choose(facts, choices, now);
  return { name, title: strings.state[name], hint: fill(strings.hint[hint], values) };
}

function choose(facts, choices, now) {
  const held = choices.mode === "push-to-talk";
  switch (facts.link) {
    case "idle":
      if (facts.microphone === "insecure") return ["missing", "insecure", {}];
      return facts.microphone ? [facts.microphone, facts.microphone, {}] : ["idle", held ? "idleHeld" : "idle", {}];
    case "connecting":
      return ["connecting", "connecting", {}];
    case "waiting": {
      const seconds = Math.max(1, Math.ceil((facts.until - now) / 1000));
      if (facts.why === "lost" || facts.why === "moved") return ["reconnecting", "reconnecting", { seconds }];
      if (!facts.reason) return [facts.why, facts.why, { seconds }];
      return [facts.why, "retry", { seconds, reason: sentence(facts.reason) }];
    }
    case "ended":
      if (facts.why === "key" || facts.why === "keyRefused") return ["key", facts.why, {}];
      if (facts.why === "unreachable") return ["unreachable", "unreachable", {}];
      return facts.reason ? ["ended", "said", { reason: sentence(facts.reason) }] : ["ended", "ended", {}];
    default:
      return open(facts, held);
  }
}

function open(facts, held) {
  if (facts.hearing) return ["hearing", held ? "hearingHeld" : "hearing", {}];
  if (facts.interrupted) return ["interrupted", "interrupted", {}];
  if (facts.speaking) {
    if (!facts.listens) return ["speaking", "speakingUnheard", {}];
    return ["speaking", held ? "speakingHeld" : "speaking", {}];
  }
  if (facts.thinking) return ["thinking", "thinking", {}];
  if (facts.microphone) return ["ready", facts.microphone, {}];
  if (!facts.listens) return ["ready", "ready", {}];
  if (held) return ["held", "held", {}];
  return facts.muted ? ["ready", "muted", {}] : ["listening", "listening", {}];
}
