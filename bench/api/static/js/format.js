// Quantities and times as people read them.

const PREFIXES = ["p", "n", "µ", "m", "", "k", "M", "G"];

export function si(value, unit, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return `0 ${unit}`;
  const step = Math.min(3, Math.max(-4, Math.floor(Math.log10(Math.abs(value) * (1 + 1e-9)) / 3)));
  return `${Number((value / 1000 ** step).toPrecision(digits))} ${PREFIXES[step + 4]}${unit}`;
}

export function withUncertainty(value, u95, unit) {
  if (value === null) return "–";
  return u95 === null ? si(value, unit) : `${si(value, unit)} ± ${si(u95, unit, 2)}`;
}

export function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.round(seconds / 86400)} days`;
}

export function clockTime(text) {
  const moment = new Date(text);
  const time = moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  return moment.toDateString() === new Date().toDateString() ? time : `${moment.toLocaleDateString()} ${time}`;
}
