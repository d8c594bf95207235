// Small ways to make elements. Text is always text: nothing that comes from outside is markup.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined>;

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, String(value));
  }
  element.append(...children.filter((child): child is Node | string => !!child));
  return element;
}

export function button(
  label: Child,
  className: string,
  action: () => void,
  attributes: Attributes = {},
): HTMLButtonElement {
  const element = h("button", { type: "button", class: className, ...attributes }, label);
  element.addEventListener("click", action);
  return element;
}

// Outlines of 24 x 24, drawn for this project.
export const ICONS = {
  home: "M4 11.5 12 4l8 7.5M6.5 10v9.5h4V14h3v5.5h4V10",
  clipboard: "M9 5.5H6.5v14h11v-14H15M9 4h6v3H9z",
  terminal: "M4 5.5h16v13H4zM7.5 9.5l3 2.5-3 2.5M12.5 15h4",
  tools: "M5 5h5.5v5.5H5zM13.5 5H19v5.5h-5.5zM5 13.5h5.5V19H5zM13.5 13.5H19V19h-5.5z",
  scaling: "M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15M9 9h6v6H9z",
  full: "M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15",
  leave: "M9 4.5V9H4.5M19.5 9H15V4.5M15 19.5V15h4.5M4.5 15H9v4.5",
  save: "M12 4v10.5M7.5 10.5 12 15l4.5-4.5M5 16v3.5h14V16",
  done: "M5 12.5 10 17.5 19 7",
  failed: "M12 7v6M12 16.2v.6M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z",
  close: "M6.5 6.5l11 11M17.5 6.5l-11 11",
  waiting: "M12 10.5a1.5 1.5 0 1 1 0 3 1.5 1.5 0 0 1 0-3z",
} as const;

export type IconName = keyof typeof ICONS;

export function icon(name: IconName): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// Says a sentence to a screen reader, once. While a dialog is open only what is inside it is heard.
export function announce(text: string): void {
  const live =
    document.querySelector(".save-dialog[open] .live") ?? document.querySelector("body > .live");
  if (live && live.textContent !== text) live.textContent = text;
}
