// The latest points as they arrive, newest first.

import { get, query } from "./api.js";
import { $, h, keyed } from "./dom.js";
import { clockTime, si, withUncertainty } from "./format.js";
import { openTrace } from "./trace.js";

const SHOWN = 20;
const OVERLAP = 20; // with several hosts on PostgreSQL a run may appear below a number that was there before
let known = new Map();
let cursor = null;

export async function showPoints() {
  const since = cursor === null ? null : Math.max(0, cursor - OVERLAP);
  const { points, cursor: last } = await get(`/points${query({ since, limit: cursor === null ? SHOWN : 200 })}`);
  cursor = Math.max(cursor ?? 0, last);
  for (const point of points) known.set(point.run, point);
  const newest = [...known.values()].sort((one, other) => other.run - one.run).slice(0, SHOWN);
  known = new Map(newest.map((point) => [point.run, point]));
  $("no-points").hidden = newest.length > 0;
  keyed($("points"), newest, (point) => point.run, (point) => ({ node: row(point), update() {} }));
}

function row(point) {
  const accepted = point.verdict === "accepted";
  const where = point.source === "hardware" ? [point.station] : [`${point.station} `, h("span", { className: "tag", textContent: point.source })];
  const costs = accepted
    ? [
        h("td", { className: "number", textContent: withUncertainty(point.latency_s, point.latency_u95_s, "s") }),
        h("td", { className: "number", textContent: withUncertainty(point.energy_j, point.energy_u95_j, "J") }),
      ]
    : [h("td", { colSpan: 2, className: "wrap cause", textContent: `✕ rejected, ${point.failure_class}: ${point.reason}` })];
  const trace = point.trace
    ? h("button", { className: "small", type: "button", textContent: "Show", ariaLabel: `Show the current of run ${point.run}`, onclick: () => openTrace(point.run) })
    : "";
  return h("tr", {},
    h("td", { textContent: clockTime(point.measured_at) }),
    h("td", { className: "wrap", textContent: point.workload }),
    h("td", { className: "number", textContent: si(point.sysclk_hz, "Hz") }),
    ...costs,
    h("td", {}, ...where),
    h("td", {}, trace));
}
