// Requests to the API of this same server.

const BASE = "/api/v1";
const KEY = "bench-token";

export class ApiError extends Error {
  constructor(problem, status) {
    super(problem.message || `the bench answered ${status}`);
    this.hint = problem.hint || "";
    this.detail = problem.detail || "";
    this.status = status;
  }
  get text() {
    return this.hint ? `${this.message} – ${this.hint}` : this.message;
  }
}

export function setToken(token) {
  sessionStorage.setItem(KEY, token);
}

export async function request(path, { method = "GET", body } = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), ...(method !== "GET" && { "Content-Type": "application/json" }) };
  const answer = await fetch(BASE + path, { method, headers, body: body && JSON.stringify(body), redirect: "error" });
  if (!answer.ok) throw new ApiError(await answer.json().catch(() => ({})), answer.status);
  return answer;
}

export const get = async (path) => (await request(path)).json();
export const post = async (path, body) => (await request(path, { method: "POST", body })).json();

export function query(values) {
  const pairs = Object.entries(values).flatMap(([name, value]) => (value === "" || value === null ? [] : [value].flat().map((one) => [name, one])));
  return pairs.length ? `?${new URLSearchParams(pairs)}` : "";
}
