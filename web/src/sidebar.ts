/** The list of conversations. */

import { element, icon, iconButton } from './dom';
import { Conversation } from './store';

export interface SidebarActions {
  create(): void;
  open(id: string): void;
  remove(id: string): void;
  close(): void;
}

export class Sidebar {
  readonly root: HTMLElement;
  private readonly list = element('ul', { class: 'conversations' });
  private readonly empty = element('p', { class: 'hint' }, 'Conversations are kept in this browser.');

  constructor(private readonly actions: SidebarActions) {
    const create = element(
      'button',
      { class: 'button new-chat', attributes: { type: 'button' }, on: { click: () => actions.create() } },
      icon('plus'),
      'New chat',
    );
    this.root = element(
      'nav',
      { class: 'sidebar', attributes: { id: 'sidebar', 'aria-label': 'Conversations' } },
      element(
        'div',
        { class: 'brand' },
        icon('anchor'),
        element('h1', {}, 'kedge'),
        iconButton('close', 'Close the list of conversations', () => actions.close(), 'narrow-only'),
      ),
      create,
      this.list,
      this.empty,
    );
  }

  show(conversations: Conversation[], currentId: string): void {
    this.empty.hidden = conversations.length > 0;
    this.list.replaceChildren(
      ...conversations.map((conversation) =>
        element(
          'li',
          { class: conversation.id === currentId ? 'current' : '' },
          element(
            'button',
            {
              class: 'open',
              attributes: {
                type: 'button',
                title: conversation.title,
                'aria-current': conversation.id === currentId ? 'true' : null,
              },
              on: { click: () => this.actions.open(conversation.id) },
            },
            conversation.title,
          ),
          iconButton('trash', `Delete “${conversation.title}”`, () => this.actions.remove(conversation.id)),
        ),
      ),
    );
  }
}
