// The first picture, and what lies behind one number of a table

/** Scores of a place below their ceiling, floors in grey; to choose from where there are several. */
function drawPicture(element, places) {
  const plot = make("div", { class: "plot" }), note = make("figcaption");
  let place = places[0];
  const draw = drawn(plot, (width) => {
    const words = ["Small points: folds. Bars: 95 % intervals over patients."];
    if (place.rows.some((row) => row.floor)) words.push("Grey: floors.");
    if (place.left_out) words.push(`${place.left_out} more rows are in the table.`);
    note.textContent = words.join(" ");
    return scoresChart(place, width);
  });
  const choose = (event) => { place = places[event.target.value]; draw(); };
  const choice = places.length > 1
    ? make("select", { "aria-label": "Cohort of the picture", change: choose },
        ...places.map((one, i) => make("option", { value: i }, one.place)))
    : null;
  element.append(make("figure", {}, choice, plot, note));
  draw();
}

function scoresChart(place, width) {
  const rows = place.rows, longest = Math.max(...rows.map((row) => row.name.length));
  const beside = 7 * longest < width / 2.2; // else names stand above their rows
  const points = rows.flatMap((row) => row.folds.filter((x) => x != null).map((x) => ({ name: row.name, x, floor: row.floor })));
  const colour = (row) => (row.floor ? "var(--grey)" : row.marks ? "var(--orange)" : "var(--blue)");
  const limits = [
    { x: place.ceiling, name: "ceiling", dash: "2 3", dy: -28 },
    { x: place.noise_free, name: "noise-free mean", dash: "6 3", dy: -13 },
  ].filter((limit) => limit.x != null);
  return chart(`Mean Spearman by row: ${rows.map((row) => `${row.name} ${number(row.mean)}`).join(", ")}`, {
    width,
    height: 92 + rows.length * (beside ? 25 : 36),
    marginLeft: beside ? 7 * longest + 14 : 8,
    marginRight: 24,
    marginTop: 42,
    marginBottom: 44,
    x: { label: "Spearman (mean over genes)", labelAnchor: "center", labelArrow: "none", labelOffset: 40, grid: true, nice: true, ticks: Math.min(8, width / 70), tickSize: 0, tickFormat: tick },
    y: { domain: rows.map((row) => row.name), label: null, axis: beside ? "left" : null, tickSize: 0 },
    marks: [
      Plot.ruleX([0], { stroke: "currentColor", strokeOpacity: 0.4 }),
      ...limits.map((limit) => Plot.ruleX([limit.x], { stroke: "currentColor", strokeDasharray: limit.dash })),
      ...limits.map((limit) => Plot.text([limit], { x: "x", dy: limit.dy, text: ({ name, x }) => `${name} ${number(x)}`, frameAnchor: "top", textAnchor: "end", dx: 4, fill: "currentColor" })),
      beside ? null : Plot.text(rows, { y: "name", text: "name", frameAnchor: "left", textAnchor: "start", dy: -13, fill: "currentColor" }),
      Plot.ruleY(rows.filter((row) => row.low != null), { y: "name", x1: ({ low }) => Math.max(low, -1), x2: ({ high }) => Math.min(high, 1), stroke: colour, strokeWidth: 7, strokeOpacity: 0.25, strokeLinecap: "round" }),
      Plot.dot(points, { x: "x", y: "name", r: 2, fill: colour, fillOpacity: 0.55 }),
      Plot.dot(rows, { x: "mean", y: "name", r: 4.5, fill: colour, stroke: "var(--paper)", strokeWidth: 1.5, tip: true,
        title: (row) => `${row.name}\n${number(row.mean)}${row.low == null ? "" : ` [${number(row.low)}, ${number(row.high)}]`}${row.marks ? `\n${row.marks}` : ""}` }),
    ],
  });
}

/** Folds, seeds, slides and genes behind a number. */
function drawBehind(cell) {
  const entries = (of) => Object.entries(of).filter(([, x]) => x != null);
  const parts = [["Folds", entries(cell.fold)], ["Seeds", entries(cell.seed)], ["Slides", entries(cell.sample)]];
  const range = d3.extent(parts.flatMap(([, values]) => values), ([, x]) => x); // one for all but genes
  parts.push(["Best and worst genes, over all slides", [...cell.best, ...cell.worst]]);
  return make("div", { class: "parts" }, ...parts.map(([title, values], i) => {
    const plot = make("div", { class: "plot" });
    drawn(plot, (width) => strip(title, values, width, i < 3 ? range : undefined));
    return make("figure", {}, make("figcaption", {}, title), plot);
  }));
}

function strip(title, values, width, range) {
  const longest = Math.max(4, ...values.map(([name]) => name.length));
  const named = values.length <= 40; // more of them have no room for names
  return chart(`${title}: ${values.map(([name, x]) => `${name} ${number(x)}`).join(", ")}`, {
    width,
    height: named ? 40 + 17 * values.length : 80,
    marginLeft: named ? Math.min(7 * longest + 8, width / 2) : 8,
    marginRight: 34,
    marginBottom: 26,
    marginTop: 4,
    x: { domain: range, label: null, grid: true, ticks: 4, tickSize: 0, tickFormat: tick, nice: true },
    y: { domain: named ? values.map(([name]) => name) : undefined, label: null, tickSize: 0, axis: named ? "left" : null },
    marks: named
      ? [Plot.dot(values, { x: "1", y: "0", r: 3.5, fill: "var(--blue)" }),
         Plot.text(values, { x: "1", y: "0", text: (d) => number(d[1]), dx: 8, textAnchor: "start", fill: "currentColor" })]
      : [Plot.dot(values, Plot.dodgeY({ x: "1", r: 2.5, fill: "var(--blue)", title: "0" }))],
  });
}
