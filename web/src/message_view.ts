/** One message of the transcript: the user's as it was typed, the model's as markdown. */

import { copyButton, element, iconButton } from './dom';
import { MarkdownView } from './render';
import { formatStats } from './stats';
import { AnswerEnd, Message } from './store';
import { splitThinking } from './thinking';

export interface MessageActions {
  /** Asks the last question again in other words. */
  edit(text: string): void;
  /** Asks for another answer to the same question. */
  regenerate(): void;
}

const kEndNotes: Record<AnswerEnd, string> = {
  stop: '',
  length: 'Reached the token limit',
  stopped: 'Stopped',
  failed: 'Cut off by an error',
};

export interface MessageView {
  readonly root: HTMLElement;
  /** Shows what the message holds now; `live` while it is still being written. */
  update(live: boolean): void;
}

export class AnswerView implements MessageView {
  readonly root: HTMLElement;
  private readonly markdown = new MarkdownView();
  private readonly thinking = new MarkdownView();
  private readonly thinkingTitle = element('summary');
  private readonly thinkingBox = element('details', { class: 'thinking' }, this.thinkingTitle, this.thinking.root);
  private readonly note = element('p', { class: 'stats' });

  constructor(
    private readonly message: Message,
    actions: MessageActions,
  ) {
    this.root = element(
      'article',
      { class: 'message answer', attributes: { 'aria-label': `Answer of ${message.model ?? 'the model'}` } },
      this.thinkingBox,
      this.markdown.root,
      element(
        'div',
        { class: 'message-bar' },
        this.note,
        copyButton('Copy answer', () => splitThinking(message.content).answer),
        iconButton('again', 'Regenerate', () => actions.regenerate(), 'last-only'),
      ),
    );
  }

  update(live: boolean): void {
    const { thinking, answer } = splitThinking(this.message.content);
    const hasThinking = thinking !== null && thinking !== '';
    this.thinkingBox.hidden = !hasThinking;
    this.thinkingTitle.textContent = !hasThinking ? '' : live && answer === '' ? 'Thinking…' : 'Thought';
    this.thinking.update(thinking ?? '');
    this.markdown.update(answer);
    this.root.classList.toggle('live', live);
    this.root.classList.toggle('waiting', live && this.message.content === '');
    this.note.textContent = live ? '' : this.noteText();
  }

  private noteText(): string {
    const { end, stats, model } = this.message;
    // An answer without an end was being written when the page was closed.
    const parts = [end === undefined ? 'Interrupted' : kEndNotes[end]];
    if (stats !== undefined) {
      parts.push(formatStats(stats));
      this.note.title = `${model ?? ''}${stats.measured ? ' (speed measured by this page)' : ''}`.trim();
    }
    return parts.filter((part) => part !== '').join(' · ');
  }
}

export class QuestionView implements MessageView {
  readonly root: HTMLElement;
  private readonly bubble = element('div', { class: 'bubble' });
  private readonly bar: HTMLElement;

  constructor(
    private readonly message: Message,
    private readonly actions: MessageActions,
  ) {
    this.bar = element(
      'div',
      { class: 'message-bar' },
      copyButton('Copy message', () => message.content),
      iconButton('edit', 'Edit message', () => this.startEdit(), 'last-only'),
    );
    this.root = element(
      'article',
      { class: 'message question', attributes: { 'aria-label': 'Your message' } },
      this.bubble,
      this.bar,
    );
  }

  update(): void {
    this.bubble.textContent = this.message.content;
    this.root.replaceChildren(this.bubble, this.bar);
  }

  private startEdit(): void {
    const area = element('textarea', { attributes: { 'aria-label': 'Edit your message', rows: 3 } });
    area.value = this.message.content;
    const send = (): void => {
      const text = area.value.trim();
      if (text !== '') this.actions.edit(text);
    };
    const button = (name: string, style: string, action: () => void): HTMLButtonElement =>
      element('button', { class: style, attributes: { type: 'button' }, on: { click: action } }, name);
    const form = element(
      'div',
      { class: 'edit' },
      area,
      element(
        'div',
        { class: 'buttons' },
        button('Cancel', 'button', () => this.update()),
        button('Send', 'button primary', send),
      ),
    );
    area.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        event.stopPropagation();
        this.update();
      } else if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        send();
      }
    });
    this.root.replaceChildren(form);
    area.focus();
    area.setSelectionRange(area.value.length, area.value.length);
  }
}
