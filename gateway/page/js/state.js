/** How things stand, in one word and one sentence. */
import { fill, strings } from "./strings.js";

/**
 * @param {import("./talk.js").Facts} facts
 * @param {import("./settings.js").Choices} choices
 * @param {number} now
 * @returns {{name: string, title: string, hint: string}} name: of `strings.state`
 */
export function stateOf(facts, choices, now) {
  const [name, hint, values] = choose(facts, choices, now);
  return { name, title: strings.state[name], hint: facts.reason && name === "ended" ? facts.reason : fill(strings.hint[hint], values) };
}

function choose(facts, choices, now) {
  const held = choices.mode === "push-to-talk";
  switch (facts.link) {
    case "idle":
      if (facts.microphone === "insecure") return ["missing", "insecure", {}];
      return facts.microphone ? [facts.microphone, facts.microphone, {}] : ["idle", "idle", {}];
    case "connecting":
      return ["connecting", "connecting", {}];
    case "waiting": {
      const seconds = Math.ceil((facts.until - now) / 1000);
      const name = facts.why === "full" ? "full" : "reconnecting";
      return seconds > 0 ? [name, name, { seconds }] : [name, `${name}Now`, {}];
    }
    case "ended":
      if (facts.why === "key" || facts.why === "keyRefused") return ["key", facts.why, {}];
      return facts.why === "unreachable" ? ["unreachable", "unreachable", {}] : ["ended", "ended", {}];
    default:
      return open(facts, held);
  }
}

function open(facts, held) {
  if (facts.hearing) return ["hearing", held ? "hearingHeld" : "hearing", {}];
  if (facts.interrupted) return ["interrupted", "interrupted", {}];
  if (facts.speaking) return ["speaking", held || !facts.listens ? "speakingHeld" : "speaking", {}];
  if (facts.thinking) return ["thinking", "thinking", {}];
  if (facts.microphone) return ["ready", facts.microphone, {}];
  if (!facts.listens) return ["ready", "ready", {}];
  if (held) return ["held", "held", {}];
  return facts.muted ? ["ready", "muted", {}] : ["listening", "listening", {}];
}
