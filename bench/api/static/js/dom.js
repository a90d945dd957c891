// Small helpers over the DOM. Text enters by textContent alone, so nothing that users or boards say is ever markup.

export const $ = (id) => document.getElementById(id);

export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && name !== "list") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Bring the children of `container` in line with `items`. A node stays the same one while its item is there, so that focus stays where it is.
export function keyed(container, items, keyOf, create) {
  const known = container.keyedNodes ?? (container.keyedNodes = new Map());
  const wanted = new Set(items.map(keyOf));
  for (const [key, entry] of known) {
    if (!wanted.has(key)) {
      entry.node.remove();
      known.delete(key);
    }
  }
  let before = container.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let entry = known.get(key);
    if (!entry) {
      entry = create(item);
      known.set(key, entry);
    }
    entry.update(item);
    if (entry.node === before) before = before.nextElementSibling;
    else container.insertBefore(entry.node, before);
  }
}

export function options(select, entries) {
  const wanted = JSON.stringify(entries);
  if (select.shownEntries === wanted) return;
  select.shownEntries = wanted;
  const chosen = select.value;
  select.replaceChildren(...entries.map(([value, text]) => h("option", { value, textContent: text })));
  if (entries.some(([value]) => value === chosen)) select.value = chosen;
}

export function say(node, text, error = false) {
  node.classList.toggle("error", error);
  setText(node, text);
}
