// The current over time of one run. What is zoomed to is fetched anew: least and greatest current of every step, so that no spike is lost.

import { get, query } from "./api.js";
import { axis, colour, darkScheme, strokeOf } from "./chart.js";
import { $, h, setText } from "./dom.js";
import { si, withUncertainty } from "./format.js";

const HEIGHT = 260;
const PAD = 1e-9;
let run = null;
let trace = null;
let plot = null;
let asked = 0;

export function setUpTrace() {
  const part = (from, to) => () => trace && show(trace.shown[0] + from * span(), trace.shown[0] + to * span());
  $("trace-in").addEventListener("click", part(0.25, 0.75));
  $("trace-out").addEventListener("click", part(-0.5, 1.5));
  $("trace-back").addEventListener("click", part(-0.5, 0.5));
  $("trace-on").addEventListener("click", part(0.5, 1.5));
  $("trace-all").addEventListener("click", () => trace && show(0, trace.duration_s));
  darkScheme.addEventListener("change", draw);
  window.addEventListener("resize", () => plot && plot.setSize({ width: $("trace").clientWidth, height: HEIGHT }));
}

const span = () => trace.shown[1] - trace.shown[0];

export async function openTrace(number) {
  run = number;
  trace = null;
  $("trace-panel").hidden = false;
  setText($("trace-heading"), `Current of run ${number}`);
  setText($("trace-text"), "");
  const found = await get(`/runs/${number}`);
  if (run !== number) return;
  const label = found.source === "hardware" ? "" : ` (${found.source})`;
  setText($("trace-text"), `${found.workload} at ${si(found.sysclk_hz, "Hz")} on ${found.station}${label}; drag over the plot to zoom`);
  showResult(found);
  await show(0, null);
  $("trace-heading").focus({ preventScroll: false });
}

async function show(from, to) {
  const turn = ++asked;
  if (trace) {
    const width = Math.min(to - from, trace.duration_s);
    from = Math.max(0, Math.min(from, trace.duration_s - width));
    to = from + width;
    if (width * trace.sample_rate_hz < 4) return;
  }
  const steps = Math.max(100, Math.min(4000, $("trace").clientWidth));
  let found;
  try {
    found = await get(`/runs/${run}/trace${query({ from_s: from, to_s: to, steps })}`);
  } catch (error) {
    setText($("trace-range"), error.text ?? String(error));
    return;
  }
  if (turn !== asked) return;
  trace = { ...found, shown: [from, to ?? found.duration_s] };
  draw();
}

function draw() {
  if (!trace) return;
  plot?.destroy();
  const place = $("trace");
  const times = trace.min_a.map((_value, index) => trace.start_s + index * trace.step_s);
  const each = Math.round(trace.step_s * trace.sample_rate_hz);
  const line = { stroke: strokeOf(0), width: 1.5, points: { show: false } };
  const edge = { stroke: strokeOf(6), width: 1, points: { show: false } };
  const series = each > 1 ? [{}, { ...edge, label: "greatest" }, { ...edge, label: "least" }, { ...line, label: "mean" }] : [{}, { ...line, label: "current" }];
  const data = each > 1 ? [times, trace.max_a, trace.min_a, trace.mean_a] : [times, trace.mean_a];
  plot = new window.uPlot({
    width: place.clientWidth, height: HEIGHT, series, legend: { show: false },
    bands: each > 1 ? [{ series: [1, 2], fill: `${strokeOf(6)}40` }] : [],
    scales: { x: { time: false, range: () => [trace.shown[0], trace.shown[1] + PAD] } },
    axes: [axis("s", "after the trigger", 44), axis("A", "")],
    cursor: { drag: { x: true, y: false, setScale: false } },
    hooks: {
      setSelect: [(drawn) => {
        if (drawn.select.width < 4) return;
        const edges = [drawn.select.left, drawn.select.left + drawn.select.width].map((left) => drawn.posToVal(left, "x"));
        drawn.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        show(...edges);
      }],
      drawClear: [shade],
    },
  }, data, place);
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `Current of run ${run} over time, from ${si(trace.shown[0], "s")} to ${si(trace.shown[1], "s")}`);
  const how = each > 1 ? `least, mean and greatest of every ${each}` : "every one of them drawn";
  setText($("trace-range"), `${si(trace.shown[0], "s")} to ${si(trace.shown[1], "s")} of ${si(trace.duration_s, "s")}: ${trace.samples} of ${trace.total_samples} samples, ${how}; ${si(Math.min(...trace.min_a), "A")} to ${si(Math.max(...trace.max_a), "A")}. Shaded: the windows of the result.`);
}

function shade(drawn) {
  const { ctx, bbox } = drawn;
  for (const window of [trace.active, trace.idle]) {
    if (!window) continue;
    const [left, right] = window.map((time) => Math.min(bbox.left + bbox.width, Math.max(bbox.left, drawn.valToPos(time, "x", true))));
    ctx.save();
    ctx.fillStyle = colour("grid");
    ctx.globalAlpha = 0.6;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    ctx.restore();
  }
}

function showResult(found) {
  const rows = [];
  if (found.result) {
    const result = found.result;
    rows.push(["cycles", `${result.cycles} net of ${result.cycles_overhead}`], ["latency", withUncertainty(result.latency_s, result.latency_u95_s, "s")]);
    rows.push(["energy", withUncertainty(result.energy_j, result.energy_u95_j, "J")], ["current", `${si(result.current_a, "A")} busy, ${si(result.idle_current_a, "A")} asleep`]);
    for (const term of result.budget) rows.push([`${term.quantity}: ${term.name}`, `${(term.standard_relative * 100).toPrecision(3)} % (${term.source})`]);
  }
  rows.push(["clock", found.clock_id], ["verdict", found.reason ? `${found.verdict}: ${found.reason}` : found.verdict]);
  $("run-result").replaceChildren(...rows.flatMap(([name, text]) => [h("dt", { textContent: name }), h("dd", { textContent: text })]));
}
