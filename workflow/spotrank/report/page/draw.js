// What all parts of the page share: elements, numbers, charts that follow the width

/** An element `name` with `attributes` (functions are listeners) and `children`. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** A number with `digits` after the point, as the tables have it; a dash for none. */
function number(x, digits = 3) {
  if (x == null) return "–";
  return x.toFixed(digits).replace(/^(-?)0\./, "$1.").replace("-", "−");
}

/** A number at an axis. */
const tick = (x) => String(x).replace(/^(-?)0\./, "$1.").replace("-", "−");

/** Fill `element` with what `draw(width)` gives, again when its width changes; returns what draws. */
function drawn(element, draw) {
  let last = 0;
  const again = () => element.replaceChildren(draw((last = Math.floor(element.clientWidth))));
  new ResizeObserver(() => {
    const width = Math.floor(element.clientWidth);
    if (width && width !== last) again();
  }).observe(element);
  if (element.clientWidth) again();
  return again;
}

/** Plot.plot, as an image that `label` tells of. */
function chart(label, options) {
  const plot = Plot.plot({ style: { background: "none", fontSize: "12px", overflow: "visible" }, ...options });
  const svg = plot.tagName === "svg" ? plot : plot.querySelector("svg:last-of-type");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  for (const part of svg.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  return plot;
}

/** Say something to those who listen. */
function say(text) {
  document.getElementById("live").textContent = text;
}

/** A button that copies what `text()` gives. */
function copier(what, text) {
  const button = make("button", { type: "button", class: "copy" }, what);
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => (button.textContent = what), 1500);
  });
  return button;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", { "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
