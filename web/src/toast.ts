/** A short message at the edge of the page, with at most one thing to do about it. */

import { element } from './dom';

const kShownMs = 7000;

export class Toast {
  readonly root = element('div', { class: 'toast', attributes: { role: 'status', hidden: true } });
  private timer = 0;

  show(text: string, actionName?: string, action?: () => void): void {
    window.clearTimeout(this.timer);
    this.root.replaceChildren(text);
    if (actionName !== undefined && action !== undefined) {
      const run = (): void => {
        this.hide();
        action();
      };
      this.root.append(element('button', { attributes: { type: 'button' }, on: { click: run } }, actionName));
    }
    this.root.hidden = false;
    this.timer = window.setTimeout(() => this.hide(), kShownMs);
  }

  private hide(): void {
    this.root.hidden = true;
  }
}
