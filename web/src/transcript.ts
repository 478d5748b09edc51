/** The messages of one conversation, the error under them if there is one, and the scrolling that follows an answer. */

import { element, icon, iconButton } from './dom';
import { AnswerView, MessageActions, MessageView, QuestionView } from './message_view';
import { Message } from './store';

/** Nearer to the end than this, the reader is reading along. */
const kFollowPixels = 80;

export interface ErrorNotice {
  message: string;
  /** The server wants an API key: a field asks for one. */
  needsKey: boolean;
  retry: () => void;
  saveKey: (key: string) => void;
}

export class Transcript {
  readonly root: HTMLElement;
  readonly jumpButton: HTMLButtonElement;
  private readonly list = element('div', {
    class: 'messages',
    attributes: { role: 'log', 'aria-label': 'Conversation' },
  });
  private readonly notice = element('div', { class: 'notice-place' });
  private readonly welcome = element('div', { class: 'welcome' });
  private views: MessageView[] = [];
  /** The view of the answer that is being written. */
  private liveView: MessageView | null = null;
  private following = true;
  private updateWaits = false;
  private renderMs = 0;

  constructor(private readonly actions: MessageActions) {
    const content = element('div', { class: 'column' }, this.welcome, this.list, this.notice);
    this.root = element('main', { class: 'transcript', attributes: { tabindex: -1 } }, content);
    this.jumpButton = iconButton('down', 'Jump to the latest', () => this.follow(), 'jump');
    this.root.addEventListener('scroll', () => this.noteScroll(), { passive: true });
  }

  /** What stands in an empty conversation. */
  setWelcome(...children: (Node | string)[]): void {
    this.welcome.replaceChildren(...children);
  }

  show(messages: Message[]): void {
    this.liveView = null;
    this.views = messages.map((message) => this.viewOf(message));
    this.list.replaceChildren(...this.views.map((view) => view.root));
    this.views.forEach((view) => view.update(false));
    this.setBusy(false);
    this.clearError();
    this.follow();
  }

  add(message: Message, live: boolean): void {
    const view = this.viewOf(message);
    this.views.push(view);
    view.update(live);
    this.list.append(view.root);
    this.liveView = live ? view : null;
    this.setBusy(live);
    this.changed();
    this.follow();
  }

  removeLast(): void {
    this.views.pop()?.root.remove();
    this.changed();
  }

  /** Shows the last message's new text soon: at the next frame, or later where showing it takes long. */
  updateLast(): void {
    if (this.updateWaits) return;
    this.updateWaits = true;
    const view = this.liveView;
    const update = (): void => {
      this.updateWaits = false;
      if (view === null || view !== this.liveView) return;
      const before = performance.now();
      view.update(true);
      this.keepUp();
      this.renderMs = performance.now() - before;
    };
    // A background tab gets no frames and needs none.
    window.setTimeout(() => window.requestAnimationFrame(update), Math.min(4 * this.renderMs, 500));
  }

  finishLast(): void {
    this.liveView = null;
    this.views[this.views.length - 1]?.update(false);
    this.setBusy(false);
    this.keepUp();
  }

  showError(error: ErrorNotice): void {
    const attributes = { type: 'button' };
    const retry = element('button', { class: 'button', attributes, on: { click: error.retry } }, 'Retry');
    const card = element(
      'div',
      { class: 'error', attributes: { role: 'alert' } },
      icon('alert'),
      element('div', { class: 'error-body' }, element('p', {}, error.message), error.needsKey ? keyForm(error) : retry),
    );
    this.notice.replaceChildren(card);
    this.changed();
    this.follow();
  }

  clearError(): void {
    this.notice.replaceChildren();
    this.changed();
  }

  /** A screen reader waits for the end of an answer, rather than reading every piece of it. */
  private setBusy(busy: boolean): void {
    this.list.setAttribute('aria-busy', String(busy));
  }

  private viewOf(message: Message): MessageView {
    return message.role === 'user' ? new QuestionView(message, this.actions) : new AnswerView(message, this.actions);
  }

  private changed(): void {
    this.welcome.hidden = this.views.length > 0 || this.notice.hasChildNodes();
    const questions = this.list.querySelectorAll('.question');
    const last = this.list.lastElementChild;
    for (const node of this.list.children) {
      const isLast = node === last || node === questions[questions.length - 1];
      node.classList.toggle('last', isLast);
    }
  }

  private noteScroll(): void {
    const left = this.root.scrollHeight - this.root.scrollTop - this.root.clientHeight;
    this.following = left < kFollowPixels;
    this.jumpButton.hidden = this.following;
  }

  private follow(): void {
    this.following = true;
    this.jumpButton.hidden = true;
    this.keepUp();
  }

  private keepUp(): void {
    if (this.following) this.root.scrollTop = this.root.scrollHeight;
    else this.noteScroll();
  }
}

function keyForm(error: ErrorNotice): HTMLElement {
  const input = element('input', {
    attributes: {
      type: 'password',
      autocomplete: 'off',
      'aria-label': 'API key',
      placeholder: 'API key',
      required: true,
    },
  });
  const submit = element('button', { class: 'button primary', attributes: { type: 'submit' } }, 'Use this key');
  const form = element('form', { class: 'key-form' }, input, submit);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const key = input.value.trim();
    if (key !== '') error.saveKey(key);
  });
  return element(
    'div',
    {},
    form,
    element('p', { class: 'hint' }, 'The key is kept in this browser and sent to this server only.'),
  );
}
