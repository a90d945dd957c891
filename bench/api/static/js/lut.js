// Download of the look-up table.

import { get, query, request } from "./api.js";
import { $, h, options, say } from "./dom.js";

export async function showNames() {
  const names = await get("/names");
  for (const [id, values] of [["lut-board", names.boards], ["lut-primitive", names.primitives], ["lut-dtype", names.dtypes], ["lut-source", names.sources]]) {
    options($(id), [["", id === "lut-source" && values.length > 1 ? "choose one" : "all"], ...values.map((name) => [name, name])]);
  }
}

export function setUpDownload() {
  $("lut").addEventListener("submit", async (event) => {
    event.preventDefault();
    const message = $("lut-message");
    const format = $("lut-format").value;
    say(message, "making the table …");
    try {
      const wanted = { board: $("lut-board").value, primitive: $("lut-primitive").value, dtype: $("lut-dtype").value, source: $("lut-source").value };
      const answer = await request(`/lut.${format}${query(wanted)}`);
      const url = URL.createObjectURL(await answer.blob());
      h("a", { href: url, download: `lut.${format}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
      say(message, `${JSON.parse(answer.headers.get("Bench-Provenance")).rows} points`);
    } catch (error) {
      say(message, error.text ?? String(error), true);
    }
  });
}
