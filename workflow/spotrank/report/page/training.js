// Validation over epochs

/** A small chart a loss: each run from 1 at its first epoch to 0 at its best, which is marked. */
function drawTraining(element, losses) {
  const names = Object.keys(losses);
  if (!names.length) {
    element.append(make("p", { class: "note" }, "No head was trained step by step."));
    return;
  }
  element.append(
    make("p", { class: "note" }, "Validation over epochs: each run from 1 at its first epoch to 0 at its best (point)."),
    make("div", { class: "small" }, ...names.map((loss) => {
      const { runs, curves } = losses[loss], plot = make("div", { class: "plot" });
      drawn(plot, (width) => curvesChart(loss, curves, width));
      const some = curves.length < runs ? `, ${curves.length} of ${runs} runs` : "";
      return make("figure", {}, make("figcaption", {}, make("b", {}, loss), some), plot);
    })));
}

function curvesChart(loss, curves, width) {
  const points = curves.flatMap(({ epochs, values }, run) => epochs.map((epoch, i) => ({ epoch, value: values[i], run })));
  return chart(`Validation of ${loss} over epochs, best after ${curves.map((curve) => curve.best).join(", ")}`, {
    width,
    height: 140,
    marginLeft: 30,
    marginTop: 8,
    x: { label: "epoch", labelArrow: "none", ticks: 4 },
    y: { label: null, domain: [-0.05, 1.25], clamp: true, ticks: [0, 1] },
    marks: [
      Plot.line(points, { x: "epoch", y: "value", z: "run", stroke: "var(--blue)", strokeWidth: 1, strokeOpacity: 0.6 }),
      Plot.dot(curves, { x: "best", y: 0, r: 3, fill: "var(--orange)" }),
    ],
  });
}
