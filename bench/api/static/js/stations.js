// Stations and what each is doing.

import { post } from "./api.js";
import { $, h, keyed, say, setText } from "./dom.js";
import { clockTime } from "./format.js";

const SIGNS = { busy: "▶ ", idle: "○ ", paused: "‖ ", quarantined: "✕ ", gone: "? ", unserved: "· " };

export function showStations(stations, refresh) {
  const served = stations.filter((station) => station.state !== "unserved");
  $("no-stations").hidden = served.length > 0;
  keyed($("stations"), served, (station) => station.name, () => row(refresh));
}

function row(refresh) {
  let shown = null;
  const state = h("span");
  const name = h("span", { className: "name" });
  const board = h("span", { className: "quiet" });
  const tag = h("span", { className: "tag" });
  const doing = h("div", { className: "quiet" });
  const cause = h("div", { className: "cause" });
  const message = h("div", { className: "message", role: "alert" });
  const button = h("button", { className: "small", type: "button" });
  button.addEventListener("click", async () => {
    const action = { quarantined: "release", paused: "resume" }[shown.state] ?? "pause";
    try {
      await post(`/stations/${encodeURIComponent(shown.name)}/${action}`);
      say(message, "");
    } catch (error) {
      say(message, error.text ?? String(error), true);
    }
    refresh();
  });
  const node = h("li", {}, h("div", { className: "row" }, h("div", { className: "grow" }, name, " ", tag, " ", board), state, button), doing, cause, message);
  return {
    node,
    update(station) {
      shown = station;
      setText(name, station.name);
      setText(board, station.board);
      setText(tag, station.source);
      tag.hidden = station.source === "hardware";
      state.className = `state ${station.state}`;
      setText(state, (SIGNS[station.state] ?? "") + station.state);
      const job = station.job === null ? "" : `sweep ${station.job}: `;
      const since = station.since ? ` (since ${clockTime(station.since)})` : "";
      setText(doing, station.doing ? job + station.doing + since : station.state === "gone" ? `last seen ${clockTime(station.last_seen_at)}` : "");
      setText(cause, station.cause);
      const label = { quarantined: "Release", paused: "Resume" }[station.state] ?? "Pause";
      setText(button, label);
      button.setAttribute("aria-label", `${label} station ${station.name}`);
    },
  };
}
