// Sorting: a click on a column's button orders the rows of its table, a second click turns the order around.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const column = [...head.parentNode.children].indexOf(head);
    const first = head.dataset.first || "ascending";
    const order = head.ariaSort === first ? (first === "ascending" ? "descending" : "ascending") : first;
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.children[column].dataset.value ?? row.children[column].textContent.trim();
    const rows = [...body.rows].sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y);
    });
    for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    body.append(...rows);
  });
}
// Charts: what every spec leaves out. Colors are the page's, so light, dark and print need no new drawing.
const font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const config = {
  background: "transparent", font, autosize: { contains: "padding" }, padding: 2,
  view: { stroke: null },
  axis: {
    labelColor: "var(--soft)", titleColor: "var(--soft)", domainColor: "var(--line)", gridColor: "var(--line)",
    tickColor: "var(--line)", labelFontSize: 11, titleFontSize: 11, titleFontWeight: "normal", labelLimit: 170,
  },
  axisY: { domain: false, ticks: false },
  axisYBand: { labelColor: "var(--ink)", labelFontSize: 12.5, grid: false, labelPadding: 8 },
  axisXBand: { labelColor: "var(--ink)", labelFontSize: 12.5, grid: false },
  legend: { labelColor: "var(--ink)", labelFontSize: 12.5, symbolType: "stroke", symbolStrokeWidth: 3, symbolOpacity: 1 },
  text: { color: "var(--ink)", fontSize: 12.5 },
  rule: { color: "var(--ink)" },
};
// The interpreter (ast) does without eval, which the page's content security policy forbids.
const options = {
  mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false, config,
  tooltip: { disableDefaultStyle: true },
};
async function draw(figure) {
  const plot = figure.querySelector(".plot");
  try {
    const spec = JSON.parse(figure.querySelector("script").textContent);
    plot.style.minWidth = `${spec.usermeta.width}px`;
    await vegaEmbed(plot, spec, options);
  } catch (error) {
    plot.textContent = `This chart could not be drawn: ${error.message}`;
    console.error(error);
  }
}
Promise.all([...document.querySelectorAll("figure.chart")].map(draw)).then(() => {
  document.documentElement.dataset.charts = "drawn";
});
// A printed page shows what is folded on the screen.
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => (d.open = true)));
