/** The field a message is written in, with the button that sends it or stops the answer. */

import { element, icon, iconButton } from './dom';

/** A phone's Enter key starts a new line: it has no Shift+Enter. */
const kTouch = window.matchMedia('(hover: none) and (pointer: coarse)');

export class Composer {
  readonly root: HTMLFormElement;
  private readonly area = element('textarea', {
    attributes: {
      id: 'message',
      rows: 1,
      placeholder: 'Write a message',
      enterkeyhint: kTouch.matches ? null : 'send',
    },
  });
  private readonly button: HTMLButtonElement;
  private busy = false;

  constructor(
    private readonly send: (text: string) => void,
    private readonly stop: () => void,
  ) {
    this.button = iconButton('send', 'Send', () => this.press(), 'send');
    const label = element('label', { class: 'visually-hidden', attributes: { for: 'message' } }, 'Message');
    this.root = element('form', { class: 'composer' }, label, this.area, this.button);
    this.root.addEventListener('submit', (event) => event.preventDefault());
    this.area.addEventListener('input', () => this.changed());
    this.area.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing || kTouch.matches) return;
      event.preventDefault();
      if (!this.busy) this.press();
    });
    this.changed();
  }

  focus(): void {
    // On a phone focus opens the keyboard over what the user came to read.
    if (!kTouch.matches) this.area.focus();
  }

  setBusy(busy: boolean): void {
    this.busy = busy;
    this.button.replaceChildren(icon(busy ? 'stop' : 'send'));
    this.button.setAttribute('aria-label', busy ? 'Stop' : 'Send');
    this.button.title = busy ? 'Stop (Esc)' : 'Send (Enter)';
    this.changed();
  }

  private press(): void {
    if (this.busy) return this.stop();
    const text = this.area.value.trim();
    if (text === '') return;
    this.area.value = '';
    this.changed();
    this.send(text);
  }

  private changed(): void {
    this.button.disabled = !this.busy && this.area.value.trim() === '';
    this.area.style.height = 'auto';
    // The style sheet limits the height; beyond it the field scrolls.
    this.area.style.height = `${this.area.scrollHeight}px`;
  }
}
