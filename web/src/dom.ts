/** Building elements. Text goes in as text nodes alone: nothing here or elsewhere in the page parses HTML. */

export type Child = Node | string | null;

export interface Options {
  class?: string;
  /** Attributes; null leaves one out, true sets it empty. */
  attributes?: Record<string, string | number | boolean | null>;
  on?: { [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };
}

export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  options: Options = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const node = document.createElement(tag);
  if (options.class !== undefined) node.className = options.class;
  for (const [name, value] of Object.entries(options.attributes ?? {})) {
    if (value === null || value === false) continue;
    node.setAttribute(name, value === true ? '' : String(value));
  }
  for (const [name, listener] of Object.entries(options.on ?? {})) {
    node.addEventListener(name, listener as EventListener);
  }
  node.append(...children.filter((child): child is Node | string => child !== null));
  return node;
}

/** Outlines on a 24 by 24 grid, drawn with the colour of the text around them. */
const kIcons = {
  anchor: 'M12 7.5V21M4.5 13c0 5 3.3 8 7.5 8s7.5-3 7.5-8M8.5 11h7M14.5 5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0',
  menu: 'M4 7h16M4 12h16M4 17h16',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6L6 18',
  trash: 'M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5',
  settings: 'M4 7h9M17 7h3M4 17h3M11 17h9M17 7a2 2 0 1 1-4 0 2 2 0 0 1 4 0M11 17a2 2 0 1 1-4 0 2 2 0 0 1 4 0',
  sun:
    'M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6L19 19M5 19l1.4-1.4M17.6 6.4L19 5M16 12' +
    'a4 4 0 1 1-8 0 4 4 0 0 1 8 0',
  moon: 'M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5',
  auto: 'M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0M12 3v18M12 8h4.5M12 12h9M12 16h7.5',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  copy: 'M9 9h11v11H9zM15 9V4H4v11h5',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  again: 'M20 5v5h-5M19.5 10A8 8 0 1 0 20 13.5',
  edit: 'M4 20l1-4L16 5l3 3L8 19zM14 7l3 3',
  down: 'M12 5v14M6 13l6 6 6-6',
  chart: 'M4 20h16M4 16l5-6 4 4 7-9',
  alert: 'M12 8v5M12 16.5v.1M12 3l9.5 17h-19z',
};

export type IconName = keyof typeof kIcons;

export function svgElement<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Record<string, string>,
): SVGElementTagNameMap[Tag] {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

export function icon(name: IconName): SVGSVGElement {
  const picture = svgElement('svg', { viewBox: '0 0 24 24', class: `icon icon-${name}`, 'aria-hidden': 'true' });
  picture.append(svgElement('path', { d: kIcons[name] }));
  return picture;
}

/** A button that shows an icon and is read out, and named on hover, by its label. */
export function iconButton(name: IconName, label: string, onClick: () => void, extraClass = ''): HTMLButtonElement {
  return element(
    'button',
    {
      class: `icon-button ${extraClass}`.trim(),
      attributes: { type: 'button', 'aria-label': label, title: label },
      on: { click: onClick },
    },
    icon(name),
  );
}

/** navigator.clipboard is missing where the server is reached by plain http from another machine. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element('textarea', { class: 'off-screen', attributes: { readonly: true } });
    area.value = text;
    document.body.append(area);
    const focused = document.activeElement;
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
    return copied;
  }
}

const kCopiedMs = 1500;

/** A copy button whose icon turns into a tick for a moment. */
export function copyButton(label: string, text: () => string): HTMLButtonElement {
  const button = iconButton('copy', label, () => {
    void copyText(text()).then((copied) => {
      button.replaceChildren(icon(copied ? 'check' : 'alert'));
      button.setAttribute('aria-label', copied ? 'Copied' : 'Copying failed');
      window.setTimeout(() => {
        button.replaceChildren(icon('copy'));
        button.setAttribute('aria-label', label);
      }, kCopiedMs);
    });
  });
  return button;
}
