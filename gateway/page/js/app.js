/** Puts the page together. */
import { all, find, whole, words } from "./dom.js";
import { save } from "./export.js";
import { Figures } from "./figures.js";
import { Panel } from "./panel.js";
import { DEFAULTS, Settings } from "./settings.js";
import { Staff } from "./staff.js";
import { stateOf } from "./state.js";
import { fill, sentence, strings } from "./strings.js";
import { Talk } from "./talk.js";
import { Transcript } from "./transcript.js";

words(strings);
const settings = new Settings();
const panel = new Panel(settings, find("settings"));
const transcript = new Transcript(find("transcript"), find("live"));
const figures = new Figures({
  p50: find("p50"), p95: find("p95"), count: find("count"), spark: find("spark"), box: find("figures"),
});
const talk = new Talk(settings, {
  said,
  stands: show,
  refused,
  settled: () => panel.settled(),
});
const staff = new Staff(find("staff"), () => talk.analysers, () => (talk.facts.thinking ? talk.stopwatch.running(performance.now()) : null));

const talkButton = find("talk");
const field = find("type");
let clockFrame = 0;
let counter = 0;
/** A key is being asked for. */
let asked = false;

function said(entry, gone) {
  transcript.show(entry, gone);
  document.body.classList.add("begun");
  find("export").disabled = false;
  if (entry.waterfall && !gone && figures.add(entry.id, entry.waterfall)) {
    staff.write(entry.waterfall);
    clock(entry.waterfall.total_ms, strings.clock.measured);
  } else if (entry.ears !== null && !entry.waterfall && talk.facts.speaking) {
    clock(entry.ears, strings.clock.ears);
  }
}

/** What the gateway would not have is undone, since it takes all of an update or nothing. */
function refused(choice, why) {
  panel.refused(choice, why);
  if (choice === "tools") {
    // Another model may call them: the user's choice stays what it is.
    settings.callsTools = false;
    ideas();
    talk.changed("tools");
    return;
  }
  const named = strings.settings[choice];
  talk.log.notice(sentence(named ? `${named}: ${why}` : why));
  if (choice) settings.set(choice, DEFAULTS[choice]);
}

/** What can be asked for here. */
function ideas() {
  for (const each of all("[data-needs=tools]")) each.hidden = !settings.callsTools;
}

function clock(ms, what) {
  document.body.classList.add("timed");
  find("clock").textContent = whole(ms);
  find("clock-what").textContent = what;
}

/** While an answer is waited for, the clock runs. */
function run() {
  clockFrame = 0;
  const waited = talk.facts.thinking ? talk.stopwatch.running(performance.now()) : null;
  if (waited === null) return;
  clock(waited, strings.clock.running);
  clockFrame = requestAnimationFrame(run);
}

function show(facts) {
  const state = stateOf(facts, settings.now, performance.now());
  const { body } = document;
  if (body.dataset.state !== state.name) body.dataset.state = state.name;
  write(find("state"), state.title);
  write(find("hint"), state.hint);
  document.title = facts.link === "idle" ? strings.page.title : fill(strings.page.titleNow, { state: state.title });
  find("key-form").hidden = state.name !== "key";
  find("end").hidden = facts.link === "idle" || facts.link === "ended";
  button(facts);
  staff.live(facts.link === "open");
  if (facts.hearing) staff.wipe();
  if (facts.thinking && !clockFrame) run();
  window.clearTimeout(counter);
  if (facts.link === "waiting") counter = window.setTimeout(() => show(talk.facts), 250);
  if (state.name === "key" && !asked) find("key").focus();
  asked = state.name === "key";
}

/** A status that is written anew would be read out anew. */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function button(facts) {
  const held = settings.now.mode === "push-to-talk";
  const open = facts.link === "open";
  const words = strings.talk;
  let label = words.start;
  if (facts.link === "connecting" || facts.link === "waiting") label = words.connecting;
  else if (open && !facts.listens) label = words.microphone;
  else if (open && held) label = facts.holding ? words.holding : words.hold;
  else if (open) label = facts.muted ? words.unmute : words.mute;
  write(find("talk-label"), label);
  talkButton.disabled = facts.link === "connecting" || facts.link === "waiting";
  talkButton.dataset.held = String(open && facts.listens && held);
  talkButton.classList.toggle("holding", facts.holding);
  talkButton.classList.toggle("on", open && facts.listens && !facts.muted);
}

const holds = () => talkButton.dataset.held === "true";

talkButton.addEventListener("click", () => {
  if (holds()) return;
  if (talk.facts.link === "open" && talk.facts.listens) talk.mute(!talk.facts.muted);
  else talk.begin(true);
});
talkButton.addEventListener("pointerdown", (event) => {
  if (!holds() || event.button !== 0) return;
  talkButton.setPointerCapture(event.pointerId);
  talk.hold();
});
for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
  talkButton.addEventListener(name, () => talk.letGo());
}
talkButton.addEventListener("contextmenu", (event) => holds() && event.preventDefault());

/** Whether a key belongs to what has the focus. */
function typing(target) {
  return target.closest("input, textarea, select, summary, a, dialog, button:not(#talk)") !== null;
}

document.addEventListener("keydown", (event) => {
  if (!holds() || typing(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.code === "Space") {
    event.preventDefault();
    if (!event.repeat) talk.hold();
  } else if (event.code === "Enter" && event.target === talkButton) {
    // For those who cannot hold a key: Enter begins, Enter ends.
    event.preventDefault();
    if (talk.facts.holding) talk.letGo();
    else talk.hold();
  }
});
document.addEventListener("keyup", (event) => {
  if (event.code === "Space" && holds() && !typing(event.target)) {
    event.preventDefault();
    talk.letGo();
  }
});
window.addEventListener("blur", () => talk.letGo());

find("end").addEventListener("click", () => {
  talk.end();
  talkButton.focus();
});
find("open-settings").addEventListener("click", () => panel.open());
find("export").addEventListener("click", () => save(talk.log, figures, settings.now));
find("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  settings.key = find("key").value.trim();
  find("key").value = "";
  talk.begin(talk.wantsMicrophone);
});

const modes = all("[data-mode]");
function showMode() {
  for (const each of modes) each.setAttribute("aria-pressed", String(each.dataset.mode === settings.now.mode));
}
for (const each of modes) each.addEventListener("click", () => settings.set("mode", each.dataset.mode));

settings.onchange = (name) => {
  showMode();
  panel.show(name);
  if (name === "model") panel.fetch().then(ideas);
  talk.changed(name);
  show(talk.facts);
};

function grow() {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

field.value = settings.draft;
field.addEventListener("input", () => {
  settings.draft = field.value;
  grow();
});
field.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  find("composer").requestSubmit();
});
find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  if (!text) return;
  field.value = "";
  settings.draft = "";
  grow();
  talk.say(text);
});

for (const idea of all("#ideas button")) {
  idea.addEventListener("click", () => talk.say(idea.textContent));
}

// A color that a tool sets shows on the lines too.
new MutationObserver(() => staff.repaint()).observe(document.documentElement, { attributeFilter: ["style"] });
showMode();
show(talk.facts);
panel.fetch().then(ideas);
