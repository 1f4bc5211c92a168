// The leaderboard, drawn from its payload: a board at a time

const data = JSON.parse(document.getElementById("data").textContent);
const part = (name) => document.getElementById(name);

/** Ranks with their intervals, or where none is known the means over tasks. */
function standingChart(rows, ranked, width) {
  const longest = Math.max(...rows.map((row) => row.name.length)), beside = 7 * longest < width / 2.2;
  const best = Math.max(...rows.map((row) => row.high ?? row.rank ?? 1));
  const axis = ranked
    ? { label: "rank over tasks, 1 the best", domain: [0.5, best + 0.5], ticks: d3.range(1, best + 1, Math.ceil(best / (width / 60))), tickFormat: "d" }
    : { label: "mean over tasks", nice: true, ticks: Math.min(8, width / 70), tickFormat: tick };
  const said = rows.map((row) => ranked ? `${row.name} ${row.rank} (${row.between})` : `${row.name} ${number(row.mean)}`);
  return chart(`${ranked ? "Ranks with 95 % intervals" : "Means over tasks"}: ${said.join(", ")}`, {
    width,
    height: 70 + rows.length * (beside ? 25 : 36),
    marginLeft: beside ? 7 * longest + 14 : 12,
    marginRight: 24,
    marginTop: beside ? 12 : 24,
    marginBottom: 44,
    x: { ...axis, labelAnchor: "center", labelArrow: "none", labelOffset: 40, grid: true, tickSize: 0 },
    y: { domain: rows.map((row) => row.name), label: null, axis: beside ? "left" : null, tickSize: 0 },
    marks: [
      beside ? null : Plot.text(rows, { y: "name", text: "name", frameAnchor: "left", textAnchor: "start", dy: -13, fill: "currentColor" }),
      ranked ? Plot.ruleY(rows.filter((row) => row.low != null), { y: "name", x1: "low", x2: "high", stroke: "var(--blue)", strokeWidth: 7, strokeOpacity: 0.3, strokeLinecap: "round" }) : null,
      Plot.dot(rows, { x: ranked ? "rank" : "mean", y: "name", r: 5, fill: (row) => (row.marks ? "var(--orange)" : "var(--blue)"), stroke: "var(--paper)", strokeWidth: 1.5, tip: true,
        title: (row) => [row.name, ranked ? `rank ${row.rank} (${row.between})` : null, `mean ${number(row.mean)}`, row.marks].filter(Boolean).join("\n") }),
    ],
  });
}

/** Where a score comes from. */
function drawCell(facts) {
  return make("dl", { class: "facts" }, ...facts.flatMap(([what, value]) => [make("dt", {}, what), make("dd", {}, value)]));
}

function show(board) {
  part("said").textContent = board.said[0];
  part("further").textContent = board.said.slice(1).join(" ");
  part("warnings").replaceChildren(...board.warnings.map((words) => make("li", {}, words)));
  const plot = make("div", { class: "plot" });
  part("picture").replaceChildren(make("figure", {}, plot, make("figcaption", {}, board.caption)));
  drawn(plot, (width) => standingChart(board.rows, board.ranked, width));
  part("standing").replaceChildren();
  drawTable(part("standing"), board.table, (cell) => drawCell(data.cells[cell]));
}

if (data.boards.length > 1)
  part("choice").append(make("select", { "aria-label": "Board", change: (event) => show(data.boards[event.target.value]) },
    ...data.boards.map((board, i) => make("option", { value: i }, board.name))));
show(data.boards[0]);
if (data.printed) {
  const details = make("details", { open: true, id: "t-printed" }, make("summary", {}, make("h3", {}, data.printed.title), ` ${data.printed.rows.length} rows`));
  part("printed").append(details);
  drawTable(details, data.printed);
}
