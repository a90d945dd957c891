// Latency and energy over the core clock, live.

import { get, query } from "./api.js";
import { COLOURS, axis, colour, darkScheme, dashOf, decades, strokeOf } from "./chart.js";
import { $, h, options, setText } from "./dom.js";
import { si, withUncertainty } from "./format.js";

const HEIGHT = 240;
const plots = {};
let curves = [];

export const labelOf = (curve) =>
  `${curve.workload} · ${curve.station}${curve.source === "hardware" ? "" : ` (${curve.source})`}${curve.accelerators ? "" : " · caches off"}`;

export function setUpPlots(refresh) {
  options($("plot-of"), [["", "what was measured last"]]);
  $("plot-of").addEventListener("change", refresh);
  darkScheme.addEventListener("change", draw);
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) draw();
    width = window.innerWidth;
  });
}

export function showPlotChoice(jobs) {
  options($("plot-of"), [["", "what was measured last"], ...jobs.map((job) => [String(job.job), `sweep ${job.job} · ${job.name}`])]);
}

export async function showCurves() {
  curves = await get(`/series${query({ job: $("plot-of").value, limit: COLOURS })}`);
  draw();
}

function draw() {
  $("no-curves").hidden = curves.length > 0;
  $("curve-details").hidden = curves.length === 0;
  plot("latency", "latency_s", "s", "Latency of one call");
  plot("energy", "energy_j", "J", "Energy of one call");
  $("legend").replaceChildren(...curves.map((curve, index) => h("li", {}, sample(index), labelOf(curve))));
  table();
}

function plot(id, column, unit, title) {
  const measured = curves.map((curve, index) => ({ curve, index })).filter(({ curve }) => curve.points.some((point) => point[column] > 0));
  plots[id]?.destroy();
  delete plots[id];
  const place = $(id);
  place.hidden = measured.length === 0;
  if (!measured.length) return;
  const clocks = [...new Set(measured.flatMap(({ curve }) => curve.points.map((point) => point.sysclk_hz)))].sort((a, b) => a - b);
  const rows = measured.map(({ curve }) => {
    const at = new Map(curve.points.map((point) => [point.sysclk_hz, point[column]]));
    return clocks.map((clock) => (at.get(clock) > 0 ? at.get(clock) : null));
  });
  const options = {
    title, width: place.clientWidth, height: HEIGHT,
    scales: { x: { time: false, distr: 3, range: (_plot, low, high) => decades(low, high) }, y: { distr: 3, range: (_plot, low, high) => decades(low, high) } },
    axes: [axis("Hz", "core clock", 44), axis(unit, "")],
    cursor: { drag: { x: false, y: false } },
    legend: { show: false },
    series: [{}, ...measured.map(({ curve, index }) => ({
      label: labelOf(curve), stroke: strokeOf(index), dash: dashOf(index), width: 2, spanGaps: true,
      points: { show: true, size: 7, fill: colour("panel"), stroke: strokeOf(index), width: 2 },
    }))],
  };
  plots[id] = new window.uPlot(options, [clocks, ...rows], place);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${title} over the core clock, ${measured.length} curves; the table below has the values`);
}

function sample(index) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  for (const [name, value] of [["width", 30], ["height", 10], ["aria-hidden", "true"]]) svg.setAttribute(name, value);
  const line = document.createElementNS(space, "line");
  for (const [name, value] of [["x1", 0], ["x2", 30], ["y1", 5], ["y2", 5], ["stroke", strokeOf(index)], ["stroke-width", 3], ["stroke-dasharray", dashOf(index).join(" ") || "none"]]) line.setAttribute(name, value);
  svg.append(line);
  return svg;
}

function table() {
  const head = h("thead", {}, h("tr", {}, ...["workload", "clock", "latency", "energy"].map((text) => h("th", { scope: "col", textContent: text }))));
  const body = h("tbody", {}, ...curves.flatMap((curve) => curve.points.map((point) => h("tr", {},
    h("td", { className: "wrap", textContent: labelOf(curve) }),
    h("td", { className: "number", textContent: si(point.sysclk_hz, "Hz") }),
    h("td", { className: "number", textContent: withUncertainty(point.latency_s, point.latency_u95_s, "s") }),
    h("td", { className: "number", textContent: withUncertainty(point.energy_j, point.energy_u95_j, "J") })))));
  setText($("curve-table"), "");
  $("curve-table").append(head, body);
}
