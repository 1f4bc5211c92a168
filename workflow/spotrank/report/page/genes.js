// Every gene as a point, and maps of the one that is chosen, observed beside predicted.
function drawGenes(element, payload) {
  const { digits } = tissue;
  const UNIT = "log1p expression";
  const AGAINST = {
    ceiling_spearman: "ceiling of sampling noise",
    mean_count: "mean count of a spot",
  };
  const NUMBERS = {
    mean_count: "mean count",
    ceiling_spearman: "ceiling (Spearman)",
    ceiling_spearman_sd: "its s.d.",
    ceiling_pearson: "ceiling (Pearson)",
    moran_observed: "Moran's I, observed",
    depth_spearman: "Spearman of depth alone",
  };
  const SCORES = {
    spearman: "Spearman",
    pearson: "Pearson",
    mse: "mean squared error",
    spearman_given_depth: "Spearman given depth",
    moran_predicted: "Moran's I, predicted",
    n_undefined: "undefined",
  };
  const cohorts = payload.genes.cohorts;
  const state = { x: "ceiling_spearman", search: "" };
  const slideOf = new Map(payload.slides.slides.map((slide) => [`${slide.cohort}/${slide.sample}`, slide]));

  const losses = tissue.choice("Loss", [], (value) => set({ loss: Number(value) }));
  const search = make("input", { type: "search", list: "gene-names", autocomplete: "off", spellcheck: "false", placeholder: "name, Enter" });
  const names = make("datalist", { id: "gene-names" });
  const controls = make("div", { class: "controls" });
  if (cohorts.length > 1)
    controls.append(
      tissue.choice("Cohort", cohorts.map((own, i) => [i, own.cohort]), (i) => enter(cohorts[i]))
    );
  controls.append(
    losses,
    tissue.choice("Against", Object.entries(AGAINST), (x) => set({ x })),
    make("label", {}, "Gene ", search),
    names
  );
  const area = make("div", {
    class: "gene-chart",
    tabindex: "0",
    role: "group",
    "aria-label": "Genes as points: arrow keys go from gene to gene, a click chooses one",
  });
  const status = make("p", { role: "status", class: "gene-status" });
  const row = make("div", { class: "gene-numbers", tabindex: "0", role: "group", "aria-label": "Numbers of the gene" });
  const maps = make("div", { class: "gene-maps" });
  const notes = make("ul", { class: "notes" });
  element.append(controls, area, status, maps, row, notes);

  search.addEventListener("input", () => {
    const exact = named(search.value);
    set({ search: search.value.trim().toUpperCase(), ...(exact < 0 ? {} : { gene: exact }) });
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !state.search) return;
    const exact = named(search.value);
    const found = exact < 0 ? state.cohort.genes.findIndex(matches) : exact;
    if (found < 0) status.textContent = `No gene is called ${search.value}.`;
    else set({ gene: found });
  });
  area.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!step && !["Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const order = points().sort((a, b) => a.x - b.x).map((point) => point.gene);
    const next = { Home: 0, End: order.length - 1 }[event.key] ?? order.indexOf(state.gene) + step;
    if (next in order) set({ gene: order[next] });
  });
  // one width for all screens would be too small or too wide
  new ResizeObserver(plot).observe(area);
  enter(cohorts[0]);

  function named(text) {
    return state.cohort.genes.findIndex((gene) => gene.toUpperCase() === text.trim().toUpperCase());
  }

  function matches(gene) {
    return state.search !== "" && gene.toUpperCase().includes(state.search);
  }

  function enter(cohort) {
    const list = losses.querySelector("select");
    list.replaceChildren(...cohort.losses.map((loss, i) => make("option", { value: i }, loss)));
    names.replaceChildren(...cohort.genes.map((gene) => make("option", { value: gene })));
    notes.replaceChildren(...cohort.notes.map((note) => make("li", {}, note)));
    const everywhere = cohort.mapped.filter((_, i) => cohort.maps.every((map) => map.genes.includes(i)));
    const best = d3.greatest(everywhere, (gene) => cohort.scores.spearman[0][gene]);
    set({ cohort, loss: 0, gene: best ?? cohort.mapped[0] });
  }

  function set(change) {
    Object.assign(state, change);
    plot();
    if (!("cohort" in change || "loss" in change || "gene" in change)) return;
    tell();
    draw();
  }

  function points() {
    const { cohort, loss, x } = state;
    const mapped = new Set(cohort.mapped);
    return cohort.genes
      .map((name, gene) => ({
        gene,
        name,
        x: cohort.numbers[x][gene],
        y: cohort.scores.spearman[loss][gene],
        mapped: mapped.has(gene),
      }))
      .filter((point) => point.x !== null && point.y !== null);
  }

  function plot() {
    const all = points();
    const counts = state.x === "mean_count";
    const shown = counts ? all.filter((point) => point.x > 0) : all;
    const place = { x: "x", y: "y" };
    const marked = shown.filter((point) => point.gene === state.gene);
    const label = `${shown.length} of ${state.cohort.genes.length} genes: Spearman against ${AGAINST[state.x]}`;
    const blue = "var(--gene)";
    const orange = "var(--gene-found)";
    const figure = chart(label, {
      width: area.clientWidth || 640,
      height: 340,
      marginLeft: 48,
      marginBottom: 40,
      inset: 8,
      x: { label: AGAINST[state.x], type: counts ? "log" : "linear", tickFormat: counts ? "~g" : undefined, grid: true },
      y: { label: `Spearman, ${state.cohort.losses[state.loss]}`, grid: true },
      marks: [
        Plot.ruleY([0], { strokeOpacity: 0.5 }),
        counts ? null : Plot.line(all.length ? d3.extent(all, (point) => point.x) : [], { x: (v) => v, y: (v) => v, strokeOpacity: 0.5, strokeDasharray: "4 3" }),
        Plot.dot(shown, {
          ...place,
          r: 4,
          fill: (point) => (point.mapped ? blue : "transparent"),
          stroke: (point) => (matches(point.name) ? orange : blue),
          strokeWidth: (point) => (matches(point.name) ? 3 : 1),
          title: (point) => `${point.name}: ${number(point.y)}`,
        }),
        Plot.dot(marked, { ...place, r: 8, fill: "none", stroke: orange, strokeWidth: 2.5, pointerEvents: "none" }),
        Plot.text(marked, { ...place, text: "name", dy: -16, fontWeight: "bold", stroke: "var(--paper)", fill: "currentColor" }),
      ],
    });
    figure.addEventListener("click", (event) => {
      const box = figure.getBoundingClientRect();
      const away = (point) =>
        Math.hypot(
          figure.scale("x").apply(point.x) - (event.clientX - box.left),
          figure.scale("y").apply(point.y) - (event.clientY - box.top)
        );
      const nearest = d3.least(shown, away);
      if (nearest && away(nearest) < 24) set({ gene: nearest.gene });
    });
    const lacking = state.cohort.genes.length - shown.length;
    const told = lacking ? [make("p", { class: "note" }, `${lacking} genes have no score or nothing to be set against.`)] : [];
    area.replaceChildren(figure, ...told);
  }

  function tell() {
    const { cohort, gene, loss } = state;
    const cell = (values, form = number) => form(values[gene]);
    const flagged = cohort.flagged[gene] ? "; its ceiling is uncertain" : "";
    status.textContent =
      `${cohort.genes[gene]}: Spearman ${cell(cohort.scores.spearman[loss])} by ${cohort.losses[loss]}, ` +
      `ceiling ${cell(cohort.numbers.ceiling_spearman)}, mean count ${cell(cohort.numbers.mean_count, digits)}${flagged}`;
    const heads = (words) => make("tr", {}, ...words.map((word) => make("th", { scope: "col" }, word)));
    const cells = (values) => values.map((value) => make("td", {}, value));
    const own = make("table", {}, make("caption", {}, `${cohort.genes[gene]}, means over test slides`));
    own.append(make("thead", {}, heads(Object.values(NUMBERS))));
    own.append(make("tbody", {}, make("tr", {}, ...cells(Object.keys(NUMBERS).map((key) => cell(cohort.numbers[key], key === "mean_count" ? digits : number))))));
    const scores = make("table", {}, make("caption", {}, `${cohort.genes[gene]}, by loss, means over test slides and seeds`));
    scores.append(make("thead", {}, heads(["loss", ...Object.values(SCORES)])));
    const body = make("tbody");
    cohort.losses.forEach((name, i) => {
      const values = Object.keys(SCORES).map((key) => cell(cohort.scores[key][i], key === "n_undefined" ? digits : number));
      body.append(make("tr", { class: i === loss && "chosen" }, make("th", { scope: "row" }, name), ...cells(values)));
    });
    scores.append(body);
    row.replaceChildren(own, scores);
  }

  function draw() {
    const { cohort, loss } = state;
    const name = cohort.genes[state.gene];
    const place = cohort.mapped.indexOf(state.gene);
    if (place < 0 || loss >= cohort.mapped_losses) {
      const what = place < 0 ? `${name} is not among the genes` : `${cohort.losses[loss]} is not among the losses`;
      maps.replaceChildren(make("p", {}, `${what} that this page has maps of.`));
      return;
    }
    const own = cohort.maps.filter((map) => map.genes.includes(place));
    const ends = own.flatMap((map) => [0, loss + 1].map((kind) => map.ends[kind][map.genes.indexOf(place)]));
    const [low, high] = [d3.min(ends, (of) => of[0]), d3.max(ends, (of) => of[1])];
    const lacking = cohort.maps.filter((map) => !own.includes(map)).map((map) => map.sample);
    const told = lacking.length ? [make("p", { class: "note" }, `${name} is not in the panel of ${lacking.join(", ")}.`)] : [];
    maps.replaceChildren(...own.map((map) => pair(map, map.genes.indexOf(place), low, high)), ...told);
  }

  function pair(map, i, low, high) {
    const { cohort, loss } = state;
    const name = cohort.genes[state.gene];
    const slide = slideOf.get(`${cohort.cohort}/${map.sample}`);
    const sides = [["observed", 0], ["predicted", loss + 1]].map(([what, kind]) => {
      const [least, most] = map.ends[kind][i];
      const levels = tissue.bytes(map.values[kind]).subarray(i * slide.kept, (i + 1) * slide.kept);
      const colour = (spot) => {
        if (!(spot < slide.kept) || levels[spot] === 255) return null;
        const value = least + ((most - least) * levels[spot]) / 254;
        return d3.interpolateViridis((value - low) / (high - low || 1));
      };
      const label = `${name} on ${map.sample}, ${kind ? `predicted by ${cohort.losses[loss]}` : what}: ${digits(least)} to ${digits(most)} ${UNIT}`;
      return make("div", {}, make("div", { class: "side" }, what), tissue.map(slide, label, colour));
    });
    const caption = make("figcaption", {}, make("strong", {}, map.sample), ` Spearman ${number(map.spearman[loss][i])}, ${digits(slide.mm[0])} mm wide`);
    return make("figure", { class: "pair" }, caption, make("div", { class: "sides" }, ...sides), tissue.bar(digits(low), digits(high), UNIT));
  }
}
