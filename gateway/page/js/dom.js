/**
 * An element.
 * @param {string} name
 * @param {Record<string, any>} [attributes] `text`, `class`, `on…` listeners, and attributes; false and null leave one out
 * @param {...(Node | string | null)} children
 */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key === "text") element.textContent = value;
    else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key === "class" ? "class" : key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Fill the page's own sentences in.
 * @param {object} strings
 */
export function words(strings) {
  const of = (path) => path.split(".").reduce((place, name) => place[name], strings);
  for (const element of all("[data-words]")) element.textContent = of(element.dataset.words);
  for (const element of all("[data-label]")) element.setAttribute("aria-label", of(element.dataset.label));
  for (const element of all("[data-placeholder]")) {
    element.setAttribute("placeholder", of(element.dataset.placeholder));
  }
}

/**
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
export function all(selector) {
  return [...document.querySelectorAll(selector)].filter((element) => element instanceof HTMLElement);
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for a drawing. */
export function draw(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * The element with this id; of what kind it is, the page knows.
 * @param {string} id
 * @returns {any}
 */
export function find(id) {
  return document.getElementById(id);
}

const NUMBER = new Intl.NumberFormat("en");

/** Whole milliseconds, thousands set apart. */
export function whole(value) {
  return NUMBER.format(Math.round(value));
}
