/** The settings' form: every choice applies at once, and what the gateway refuses says so beside its field. */
import { find, make } from "./dom.js";
import { ask, Refused } from "./links.js";
import { fill, strings } from "./strings.js";

const NAMES = ["voice", "model", "language", "instructions", "eagerness", "output", "transport", "tools"];

export class Panel {
  /**
   * @param {import("./settings.js").Settings} settings
   * @param {HTMLDialogElement} dialog
   */
  constructor(settings, dialog) {
    this.settings = settings;
    this.dialog = dialog;
    this.note = find("settings-note");
    this.fields = Object.fromEntries(NAMES.map((name) => [name, find(name)]));
    this.#options("voice", [], strings.settings.anyVoice);
    this.#options("model", [], strings.settings.anyModel);
    for (const name of NAMES) this.#bind(name);
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  }

  async open() {
    this.note.textContent = "";
    this.dialog.showModal();
    await this.fetch();
  }

  /** What this gateway offers. Where it does not say, its own choice is the only one. */
  async fetch() {
    try {
      const [voices, models] = await Promise.all(
        ["/v1/audio/voices", "/v1/models"].map((path) => ask(path, this.settings.key)),
      );
      this.#options("voice", voices.data.map(({ name }) => name), strings.settings.anyVoice);
      const of = (kind) => models.data.filter(({ antiphon }) => antiphon?.kind === kind);
      const chat = of("chat");
      this.#options("model", chat.map(({ id }) => id), strings.settings.anyModel);
      // The first one is who answers where none is chosen.
      const chosen = chat.find(({ id }) => id === this.settings.now.model) ?? chat[0];
      this.settings.callsTools = chosen?.antiphon.tools ?? true;
      this.#languages(of("transcription").flatMap(({ antiphon }) => antiphon.languages));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (this.dialog.open) this.note.textContent = error.message;
    }
  }

  /** The gateway would not have it. */
  refused(name, why) {
    const text = fill(strings.settings.refused, { why });
    this.note.textContent = name ? "" : text;
    if (!name || !this.fields[name]) return;
    const field = this.fields[name];
    field.setAttribute("aria-invalid", "true");
    problem(field).textContent = text;
  }

  /** It holds now. */
  settled() {
    const refused = this.dialog.querySelector("[aria-invalid]") !== null;
    if (this.dialog.open && !refused) this.note.textContent = strings.settings.saved;
  }

  /** Show a choice as it is. */
  show(name) {
    const field = this.fields[name];
    if (!field) return;
    if (field.type === "checkbox") field.checked = this.settings.now[name];
    else field.value = this.settings.now[name];
  }

  #bind(name) {
    const field = this.fields[name];
    this.show(name);
    field.addEventListener("change", () => {
      field.removeAttribute("aria-invalid");
      problem(field).textContent = "";
      this.settings.set(name, field.type === "checkbox" ? field.checked : field.value.trim());
    });
    const place = problem(field);
    place.id = `${name}-problem`;
    field.setAttribute("aria-describedby", place.id);
  }

  #languages(tags) {
    const names = new Intl.DisplayNames(["en"], { type: "language" });
    const options = tags.map((value) => make("option", { value, text: names.of(value) }));
    find("languages").replaceChildren(...options);
  }

  #options(name, values, own) {
    const field = this.fields[name];
    const chosen = this.settings.now[name];
    // What was chosen at another time stays chosen, even where this gateway does not list it.
    const all = [...new Set(chosen ? [...values, chosen] : values)];
    const options = all.map((value) => make("option", { value, text: value }));
    field.replaceChildren(make("option", { value: "", text: own }), ...options);
    field.value = chosen;
  }
}

function problem(field) {
  return field.parentElement.querySelector(".problem");
}
