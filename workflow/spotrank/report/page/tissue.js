// A slide's tissue and spots on a canvas, for `drawGenes` and `drawSlides`.
const tissue = (() => {
  const WIDTH = 720; // px of a canvas, twice what it is shown at
  const opened = new Map();

  function bytes(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }

  // A slide's places, of its width and height, and its image once that is read.
  function open(slide) {
    if (!opened.has(slide)) {
      const [x, y] = ["x", "y"].map((axis, i) => {
        const [low, high] = slide.ends[i];
        const steps = new Uint16Array(bytes(slide[axis]).buffer);
        return Float32Array.from(steps, (step) => low + ((high - low) * step) / 65534);
      });
      const image = slide.image && Object.assign(new Image(), { src: slide.image });
      opened.set(slide, { x, y, image, ready: image ? image.decode() : Promise.resolve() });
    }
    return opened.get(slide);
  }

  // A canvas of a slide; spot i is filled with colour(i), or left out where that is null.
  function map(slide, label, colour, also = () => {}) {
    const [width, height] = [WIDTH, Math.round((WIDTH * slide.mm[1]) / slide.mm[0])];
    const canvas = make("canvas", { width, height, role: "img", "aria-label": label });
    const { x, y, image, ready } = open(slide);
    ready.then(() => {
      const context = canvas.getContext("2d");
      context.fillStyle = "white"; // as glass is, on a dark page too
      context.fillRect(0, 0, width, height);
      if (image) {
        context.globalAlpha = 0.5;
        context.drawImage(image, 0, 0, width, height);
        context.globalAlpha = 1;
      }
      const radius = Math.max((slide.diameter * width) / 2, 1);
      for (let i = 0; i < x.length; i++) {
        const fill = colour(i);
        if (fill === null) continue;
        context.fillStyle = fill;
        context.beginPath();
        context.arc(x[i] * width, y[i] * height, radius, 0, 2 * Math.PI);
        context.fill();
      }
      also(context, width, height);
      canvas.dataset.drawn = "yes";
    });
    return canvas;
  }

  // What colours stand for; a canvas, for browsers print no backgrounds.
  function bar(low, high, unit) {
    const label = `colours from ${low} to ${high}, ${unit}`;
    const canvas = make("canvas", { width: 256, height: 1, role: "img", "aria-label": label });
    const context = canvas.getContext("2d");
    for (let i = 0; i < 256; i++) {
      context.fillStyle = d3.interpolateViridis(i / 255);
      context.fillRect(i, 0, 1, 1);
    }
    const text = [low, unit, high].map((word) => make("span", {}, String(word)));
    return make("div", { class: "colour-bar" }, canvas, make("div", {}, ...text));
  }

  // A labelled list to choose from.
  function choice(label, options, change) {
    const list = make("select", { change: () => change(list.value) });
    list.append(...options.map(([value, words]) => make("option", { value }, words)));
    return make("label", {}, `${label} `, list);
  }

  // Three digits, for what is no score.
  function digits(value) {
    return value === null ? "–" : value.toLocaleString("en", { maximumSignificantDigits: 3 });
  }

  return { bytes, map, bar, choice, digits };
})();
