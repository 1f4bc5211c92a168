// The whole page, drawn from its payload

const data = JSON.parse(document.getElementById("data").textContent);
const section = (name) => document.getElementById(name);

drawPicture(section("picture"), data.picture);
data.tables.forEach((table, i) => {
  const title = make("summary", {}, make("h3", {}, table.title), ` ${table.rows.length} rows`);
  const details = make("details", { open: i === 0, id: `t-${table.name}` }, title);
  section("tables").append(details);
  drawTable(details, table, (cell) => drawBehind(data.cells[cell]));
});
drawTraining(section("training"), data.training);
for (const [name, draw] of [["genes", drawGenes], ["slides", drawSlides]]) {
  if (data[name]) draw(section(name), data);
  else {
    section(name).remove();
    document.querySelector(`nav a[href="#${name}"]`).remove();
  }
}
for (const name of ["paragraph", "citation", "config"])
  section(name).before(copier("Copy", () => section(name).innerText));

// what is folded away is printed, too
const folded = new Set();
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details:not([open])")) {
    folded.add(details);
    details.open = true;
  }
});
addEventListener("afterprint", () => {
  for (const details of folded) details.open = false;
  folded.clear();
});
