// Asks what goes on every second and shows it.

import { get, setToken } from "./api.js";
import { $, say, setText } from "./dom.js";
import { clockTime } from "./format.js";
import { select, showDetail, showJobs } from "./jobs.js";
import { setUpDownload, showNames } from "./lut.js";
import { setUpPlots, showCurves, showPlotChoice } from "./plots.js";
import { showPoints } from "./points.js";
import { showStations } from "./stations.js";
import { setUpForm, showStationChoice } from "./submit.js";
import { setUpTrace } from "./trace.js";

const PERIOD_MS = 1000;
const HIDDEN_MS = 10000;
let timer = null;
let going = false;
let again = false;
let formReady = false;
let cursor = null;
let plotted = "";
let tried = false;

async function look() {
  const status = await get("/status");
  if (!formReady) {
    await setUpForm((job) => { select(job); refresh(); });
    formReady = true;
  }
  showStations(status.stations, refresh);
  showStationChoice(status.stations);
  showJobs(status.jobs, refresh);
  showPlotChoice(status.jobs);
  const wanted = `${status.cursor} ${$("plot-of").value}`;
  if (wanted !== plotted) {
    await showCurves();
    plotted = wanted;
  }
  if (status.cursor !== cursor) {
    await Promise.all([showPoints(), showNames()]);
    cursor = status.cursor;
  }
  await showDetail();
  $("login").hidden = true;
  $("main").hidden = false;
  $("connection").classList.remove("lost");
  setText($("connection"), `live · ${clockTime(status.now)}`);
}

async function refresh() {
  if (going) {
    again = true;
    return;
  }
  going = true;
  clearTimeout(timer);
  try {
    await look();
  } catch (error) {
    trouble(error);
  }
  going = false;
  timer = setTimeout(refresh, again ? 0 : document.hidden ? HIDDEN_MS : PERIOD_MS);
  again = false;
}

function trouble(error) {
  const connection = $("connection");
  connection.classList.add("lost");
  if (error.status === 401) {
    $("main").hidden = true;
    $("login").hidden = false;
    setText(connection, "locked");
    say($("login-message"), tried ? "That is not the token." : "", true);
  } else {
    setText(connection, error.text ?? "no answer from the daemon; trying on");
  }
}

$("login").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken($("token").value);
  tried = true;
  refresh();
});
document.addEventListener("visibilitychange", refresh);
setUpPlots(refresh);
setUpTrace();
setUpDownload();
refresh();
