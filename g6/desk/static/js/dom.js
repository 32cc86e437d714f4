// Making elements. Text is always text: nothing from the data is ever parsed as HTML.

/** Make an element: `h("td", {class: "call", title: "..."}, "12.5")`. Functions become listeners: `{onclick: f}`. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an SVG element. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const FOCUSABLE = "button, input, [tabindex]";

/** Replace what is in `parent`; who had the focus in there keeps it, by place. */
export function refill(parent, ...children) {
  const before = [...parent.querySelectorAll(FOCUSABLE)].indexOf(document.activeElement);
  parent.replaceChildren(...children);
  if (before >= 0) parent.querySelectorAll(FOCUSABLE)[before]?.focus({ preventScroll: true });
}

export const find = (id) => document.getElementById(id);
