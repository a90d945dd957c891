// What all plots share: colours of the current scheme, sizes, quantities at the axes.

import { si } from "./format.js";

export const COLOURS = 7;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
export const strokeOf = (index) => colour(`c${index % COLOURS}`);
export const dashOf = (index) => DASHES[Math.floor(index / COLOURS) % DASHES.length];
export const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");

export function axis(unit, label, size = 68) {
  return {
    stroke: colour("quiet"), grid: { stroke: colour("grid"), width: 1 }, ticks: { stroke: colour("grid"), width: 1 },
    font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif", label, labelSize: 18, labelGap: 0, size,
    values: (_plot, splits) => splits.map((value) => (value === null ? "" : si(value, unit, 4))),
  };
}

// Whole decades around the values, at least one.
export function decades(low, high) {
  if (low === null || low <= 0 || high <= 0) return [1, 10];
  const first = Math.floor(Math.log10(low) + 1e-9);
  return [10 ** first, 10 ** Math.max(first + 1, Math.ceil(Math.log10(high) - 1e-9))];
}
