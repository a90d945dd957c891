// Sweeps: progress, buttons, and why points are missing.

import { get, post } from "./api.js";
import { $, h, keyed, say, setText } from "./dom.js";
import { clockTime, duration } from "./format.js";

const SIGNS = { running: "▶ ", waiting: "… ", scheduled: "◷ ", paused: "‖ ", cancelled: "– ", done: "✓ ", incomplete: "✕ " };
const BUTTONS = {
  running: ["pause", "cancel"], waiting: ["pause", "cancel"], scheduled: ["pause", "cancel"], paused: ["resume", "cancel"],
  cancelled: ["resume"], incomplete: ["resume"], done: [],
};
const LABELS = { pause: "Pause", cancel: "Cancel", resume: "Resume" };

export let selected = null;

export function showJobs(jobs, refresh) {
  $("no-jobs").hidden = jobs.length > 0;
  keyed($("jobs"), jobs, (job) => job.job, () => row(refresh));
}

export function select(number) {
  selected = number;
}

function row(refresh) {
  let shown = null;
  const state = h("span");
  const name = h("button", { className: "link name", type: "button", onclick: () => { selected = selected === shown.job ? null : shown.job; refresh(); } });
  const bar = h("progress");
  const counts = h("div", { className: "quiet" });
  const buttons = {};
  const actions = h("span", { className: "actions" });
  for (const action of ["pause", "resume", "cancel"]) {
    buttons[action] = h("button", { className: "small", type: "button", textContent: LABELS[action], onclick: () => act(shown.job, action, refresh) });
    actions.append(buttons[action], " ");
  }
  const node = h("li", {}, h("div", { className: "row" }, h("div", { className: "grow" }, name), state, actions), bar, counts);
  return {
    node,
    update(job) {
      shown = job;
      setText(name, `${job.job} · ${job.name}`);
      name.setAttribute("aria-expanded", String(selected === job.job));
      state.className = `state ${job.status}`;
      setText(state, (SIGNS[job.status] ?? "") + job.status);
      bar.max = Math.max(1, job.points);
      bar.value = job.done + job.rejected;
      bar.setAttribute("aria-label", `Progress of sweep ${job.job}`);
      const parts = [`${job.done} of ${job.points} points`];
      if (job.rejected) parts.push(`${job.rejected} rejected`);
      if (job.missing && job.ended_at) parts.push(`${job.missing} missing`);
      if (job.seconds_left !== null && job.status === "running") parts.push(`about ${duration(job.seconds_left)} left`);
      if (job.status === "scheduled") parts.push(`from ${clockTime(job.start_at)}`);
      parts.push(job.stations.join(", "));
      setText(counts, parts.join(" · "));
      const allowed = BUTTONS[job.status] ?? [];
      for (const [action, button] of Object.entries(buttons)) {
        button.hidden = !allowed.includes(action);
        button.setAttribute("aria-label", `${LABELS[action]} sweep ${job.job}`);
      }
    },
  };
}

async function act(number, action, refresh) {
  try {
    await post(`/jobs/${number}/${action}`);
    say($("jobs-message"), "");
  } catch (error) {
    say($("jobs-message"), error.text ?? String(error), true);
  }
  refresh();
}

export async function showDetail() {
  const number = selected;
  $("detail").hidden = number === null;
  if (number === null) return;
  const job = await get(`/jobs/${number}`);
  if (number !== selected) return;
  setText($("detail-heading"), `Sweep ${job.job}: ${job.name}`);
  const ended = job.ended_at ? `, ended ${clockTime(job.ended_at)}` : "";
  setText($("detail-text"), `submitted ${clockTime(job.submitted_at)} by ${job.submitted_by}${ended}; priority ${job.priority}`);
  keyed($("held"), job.held, (text) => text, (text) => ({ node: h("li", { className: "cause", textContent: text }), update() {} }));
  $("failures-heading").hidden = job.failures.length === 0;
  const same = new Map();
  for (const failure of job.failures) {
    const key = JSON.stringify([failure.station, failure.what, failure.failure_class, failure.cause]);
    const seen = same.get(key);
    if (seen) seen.points += failure.points;
    else same.set(key, { ...failure, key });
  }
  keyed($("failures"), [...same.values()], (failure) => failure.key, () => failureRow());
}

function failureRow() {
  const what = h("div");
  const cause = h("div", { className: "cause" });
  const detail = h("details", {}, h("summary", { textContent: "what it said" }), h("pre", { className: "scroll" }));
  return {
    node: h("li", {}, what, cause, detail),
    update(failure) {
      const where = failure.station ? ` on ${failure.station}` : "";
      setText(what, `${failure.points} ${failure.points === 1 ? "point" : "points"} of ${failure.what}${where}`);
      setText(cause, `${failure.failure_class}: ${failure.cause}`);
      detail.hidden = !failure.detail;
      setText(detail.lastElementChild, failure.detail);
    },
  };
}
