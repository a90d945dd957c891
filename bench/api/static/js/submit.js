// The form for a new sweep.

import { get, post } from "./api.js";
import { $, h, options, say } from "./dom.js";
import { si } from "./format.js";

let catalogue = [];
let clocksOf = null;

export async function setUpForm(submitted) {
  catalogue = (await get("/primitives")).primitives;
  options($("submit-primitive"), [["", "all primitives"], ...catalogue.map((entry) => [entry.name, entry.name])]);
  $("submit-primitive").addEventListener("change", explain);
  $("submit-station").addEventListener("change", showClocks);
  $("submit").addEventListener("submit", (event) => {
    event.preventDefault();
    send(submitted);
  });
  explain();
}

export function showStationChoice(stations) {
  const rank = (station) => (station.state === "unserved" || station.state === "gone" ? 1 : 0);
  const sorted = [...stations].sort((one, other) => rank(one) - rank(other));
  options($("submit-station"), sorted.map((station) => [station.name, station.name + (rank(station) ? " (not served now)" : "")]));
  if ($("submit-station").value !== clocksOf) showClocks();
}

async function showClocks() {
  const station = $("submit-station").value;
  clocksOf = station;
  if (!station) return;
  const clocks = await get(`/stations/${encodeURIComponent(station)}/clocks`).catch(() => []);
  if (clocksOf !== station) return;
  $("submit-clocks").replaceChildren(
    ...clocks.map((clock) => h("label", {}, h("input", { type: "checkbox", name: "clock", value: clock.clock_id }), ` ${si(clock.sysclk_hz, "Hz")}`)),
  );
}

function explain() {
  const entry = catalogue.find((one) => one.name === $("submit-primitive").value);
  $("submit-params").disabled = !entry;
  say($("params-help"), entry ? `${entry.summary}. Parameters: ${entry.parameters.map((one) => `${one.name} (${one.values})`).join("; ")}. None given: the published set.` : "All primitives, with the parameters of the published measurements.");
}

const chosen = (name) => [...document.querySelectorAll(`#submit input[name=${name}]:checked`)].map((box) => box.value);

// "k=3,5 in_h=16" as a grid: numbers where they are numbers.
export function parseParameters(text) {
  const grid = {};
  for (const part of text.split(/[\s;]+/).filter(Boolean)) {
    const [name, values, more] = part.split("=");
    if (!name || !values || more !== undefined) throw new Error(`${part}: write parameters like k=3,5 in_h=16`);
    grid[name] = values.split(",").map((value) => (/^-?\d{1,9}$/.test(value) ? Number(value) : value));
  }
  return grid;
}

async function send(submitted) {
  const message = $("submit-message");
  say(message, "");
  try {
    const primitive = $("submit-primitive").value;
    const clocks = chosen("clock");
    const body = {
      stations: [$("submit-station").value],
      dtypes: chosen("dtype"),
      name: $("submit-name").value.trim(),
      priority: Number($("submit-priority").value || 0),
      ...(primitive && { primitives: [{ name: primitive, grid: parseParameters($("submit-params").value) }] }),
      ...(clocks.length && { freq: clocks }),
      ...($("submit-start").value.trim() && { start_at: $("submit-start").value.trim() }),
    };
    if (!body.dtypes.length) throw new Error("choose a data type");
    const taken = await post("/jobs", body);
    const unserved = taken.unserved.length ? `; no daemon serves ${taken.unserved.join(", ")} now` : "";
    const left = taken.left_out.length ? `; ${taken.left_out.length} left out, as ${taken.left_out[0].what}: ${taken.left_out[0].reason}` : "";
    say(message, `Sweep ${taken.job}: ${taken.points} points${left}${unserved}`);
    submitted(taken.job);
  } catch (error) {
    say(message, error.text ?? error.message, true);
  }
}
