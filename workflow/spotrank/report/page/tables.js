// Tables that can be sorted, filtered and copied

const AT_FIRST = 100; // rows that are shown before all are asked for

const LONG = 32; // characters; more are broken into lines

/** Draw `table` in `element`; `behind(number)` gives what lies behind a cell that can be opened. */
function drawTable(element, table, behind) {
  const kind = table.columns.findIndex((column) => column.head === "kind");
  const means = table.columns.flatMap((column, i) => (column.kind === "cell" ? [i] : []));
  const state = { sort: means.length === 1 ? means[0] : null, down: true, text: "", chosen: {}, more: false, all: false };
  const status = make("span", { class: "status" });
  const body = make("tbody"), head = make("tr");
  const shown = () => table.columns.map((column, i) => i).filter((i) => state.more || !table.columns[i].more);

  function rows() {
    const words = state.text.toLowerCase();
    const found = table.rows.filter((row) =>
      Object.entries(state.chosen).every(([i, value]) => !value || text(row[i], table.columns[i]) === value) &&
      (!words || row.some((value, i) => text(value, table.columns[i]).toLowerCase().includes(words))));
    if (state.sort == null) return found;
    const order = state.down ? d3.descending : d3.ascending;
    return d3.sort(found, (a, b) => {
      const [x, y] = [a, b].map((row) => key(row[state.sort]));
      return (x == null) - (y == null) || order(x, y);
    });
  }

  function sort(i) {
    const numeric = table.columns[i].kind !== "text";
    state.down = state.sort === i ? !state.down : numeric;
    state.sort = i;
    fill();
  }

  function fill() {
    head.replaceChildren(...shown().map((i) => header(i)));
    const found = rows(), some = state.all ? found : found.slice(0, AT_FIRST);
    body.replaceChildren(...some.map(row));
    const hidden = found.length - some.length;
    status.textContent = `${found.length} of ${table.rows.length} rows`;
    all.hidden = !hidden;
    all.textContent = `Show ${hidden} more`;
  }

  function header(i) {
    const column = table.columns[i], own = state.sort === i;
    const sorted = own ? (state.down ? "descending" : "ascending") : null;
    const button = make("button", { type: "button", click: () => sort(i) }, column.head);
    return make("th", { scope: "col", class: column.kind === "text" ? "text" : null, "aria-sort": sorted }, button);
  }

  function row(values) {
    const cells = shown().map((i) => cell(values[i], table.columns[i]));
    return make("tr", { class: values[kind] === "floor" ? "floor" : null }, ...cells);
  }

  function cell(value, column) {
    if (column.kind !== "cell" || value == null || value[0] == null) {
      const words = text(value, column), long = words.length > LONG ? "text long" : "text";
      return make("td", { class: column.kind === "text" ? long : null }, words);
    }
    const button = make("button", { type: "button", class: "open", "aria-expanded": "false" }, text(value, column));
    button.addEventListener("click", () => toggle(button, value[1]));
    return make("td", {}, button);
  }

  function toggle(button, i) {
    const line = button.closest("tr"), next = line.nextElementSibling;
    const opened = next?.classList.contains("behind") ? next : null;
    const same = opened && button.getAttribute("aria-expanded") === "true";
    opened?.remove();
    for (const other of line.querySelectorAll(".open")) other.setAttribute("aria-expanded", "false");
    if (same) return;
    button.setAttribute("aria-expanded", "true");
    const inner = make("td", { colspan: shown().length });
    line.after(make("tr", { class: "behind" }, inner));
    const holder = make("div", { class: "holder" });
    inner.append(holder);
    holder.append(behind(i));
  }

  const all = make("button", { type: "button", click: () => { state.all = true; fill(); } });
  const controls = make("div", { class: "controls" },
    make("input", { type: "search", placeholder: "Filter", "aria-label": `Filter ${table.title}`,
      input: (event) => { state.text = event.target.value; fill(); } }),
    ...table.columns.map((column, i) => column.facet ? facet(column, i) : null),
    table.columns.some((column) => column.more) ? more() : null,
    copier("Copy", () => tsv(shown().map((i) => table.columns[i]), rows().map((row) => shown().map((i) => row[i])))),
    status);

  function facet(column, i) {
    const values = [...new Set(table.rows.map((row) => text(row[i], column)))];
    return make("select", { "aria-label": `${column.head} of ${table.title}`,
      change: (event) => { state.chosen[i] = event.target.value; fill(); } },
      make("option", { value: "" }, `all: ${column.head}`),
      ...values.map((value) => make("option", { value }, value)));
  }

  function more() {
    const button = make("button", { type: "button", "aria-pressed": "false" }, "More columns");
    button.addEventListener("click", () => {
      state.more = !state.more;
      button.setAttribute("aria-pressed", state.more);
      fill();
    });
    return button;
  }

  fill();
  element.append(controls,
    make("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": table.title },
      make("table", { id: `table-${table.name}` },
        make("caption", { class: "unseen" }, table.title), make("thead", {}, head), body)),
    all);
  if (table.note) element.append(make("p", { class: "note" }, table.note));
}

/** What a cell is sorted by. */
function key(value) {
  return Array.isArray(value) ? value[0] : value === "" ? null : value;
}

function text(value, column) {
  if (value == null) return "–";
  const { kind } = column;
  if (kind === "text") return String(value);
  if (kind === "share") return `${Math.round(100 * value)} %`;
  if (kind === "p") return value < 0.001 ? "<.001" : number(value);
  if (kind === "interval") return value[0] == null ? "–" : `${number(value[0])} to ${number(value[1])}`;
  if (kind === "cell") return number(value[0]) + value[2];
  return kind === 0 ? value.toLocaleString("en") : number(value, kind);
}

function tsv(columns, rows) {
  const lines = rows.map((row) => row.map((value, i) => (value == null ? "" : text(value, columns[i]).replace("−", "-"))));
  return [columns.map((column) => column.head), ...lines].map((line) => line.join("\t")).join("\n") + "\n";
}
