// Test slides: where spots were lost, and patches of the spots that are predicted best and worst.
function drawSlides(element, payload) {
  const { digits } = tissue;
  const KEPT = "#0072b299";
  const LOST = ["#d55e00", "#cc79a7", "#e69f00", "#f0e442"];
  const { slides, steps, left_out } = payload.slides;
  const words = Object.values(steps);
  const names = slides.map((slide, i) => [i, `${slide.cohort}, ${slide.sample}${slide.marks.length ? " (marked)" : ""}`]);
  const article = make("article", { class: "slide" });
  const remarks = Object.entries(left_out).map(([cohort, n]) =>
    make("p", {}, `To keep this page small, ${n} more test slides of ${cohort} are not drawn; table samples.tsv has all.`)
  );
  element.append(make("div", { class: "controls" }, tissue.choice("Slide", names, (i) => show(slides[i]))), article, ...remarks);
  show(slides[0]);

  function show(slide) {
    const lost = tissue.bytes(slide.lost);
    const colour = (i) => (i < slide.kept ? KEPT : LOST[lost[i - slide.kept]]);
    const label = `${slide.sample}: ${slide.kept} spots kept, ${lost.length} lost`;
    const quality = make("figure", { class: "quality" }, tissue.map(slide, label, colour, numbered(slide)), legend(slide, lost));
    const facts = make("dl", {}, ...slide.facts.flatMap(([what, value]) => [make("dt", {}, what), make("dd", {}, digits(value))]));
    const marks = slide.marks.map((mark) => make("p", { class: "warning" }, mark));
    article.replaceChildren(make("h3", {}, slide.sample), ...marks, make("div", { class: "beside" }, quality, facts));
    for (const which of ["best", "worst"]) if (slide[which].length) article.append(patches(slide, which));
  }

  function legend(slide, lost) {
    const counted = words.map((step, i) => [step, LOST[i], lost.filter((own) => own === i).length]);
    const rows = [["kept", KEPT, slide.kept], ...counted.filter(([, , n]) => n > 0)];
    const items = rows.map(([what, colour, n]) => {
      const sign = `<svg width="12" height="12" aria-hidden="true"><circle cx="6" cy="6" r="5" fill="${colour}"/></svg>`;
      const item = make("li");
      item.innerHTML = sign;
      item.append(` ${what}: ${n}`);
      return item;
    });
    const sampled = slide.sampled ? ` Of ${slide.sampled} kept spots ${slide.kept} are drawn.` : "";
    const unknown = slide.knows_lost ? "" : " Where spots were lost was not kept; delete its file in results/spots to pair it again.";
    return make("figcaption", {}, make("ul", { class: "legend" }, ...items), `${digits(slide.mm[0])} × ${digits(slide.mm[1])} mm.${sampled}${unknown}`);
  }

  // Where the patches below were cut.
  function numbered(slide) {
    return (context, width, height) => {
      context.font = "bold 22px sans-serif";
      context.lineWidth = 5;
      context.strokeStyle = "white";
      context.fillStyle = "black";
      for (const which of ["best", "worst"])
        slide[which].forEach(({ at: [x, y] }, i) => {
          const text = `${which[0].toUpperCase()}${i + 1}`;
          context.strokeText(text, x * width, y * height);
          context.fillText(text, x * width, y * height);
        });
    };
  }

  function patches(slide, which) {
    const row = make("div", { class: "patches" });
    slide[which].forEach((patch, i) => {
      const name = `${which[0].toUpperCase()}${i + 1}`;
      const image = make("img", { src: patch.image, width: 96, height: 96, alt: `patch ${name}, ${which} predicted` });
      const caption = `${name}: error ${number(patch.error)}; ${digits(patch.counts)} counts of ${digits(patch.genes)} genes`;
      row.append(make("figure", {}, image, make("figcaption", {}, caption)));
    });
    const about = `Spots predicted ${which}, by mean squared error over the panel's genes (log1p units), ${slide.loss}`;
    return make("div", { role: "group", "aria-label": about }, make("h4", {}, about), row);
  }
}
