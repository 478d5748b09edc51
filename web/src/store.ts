/** Conversations kept in the browser, one storage entry each, so that two tabs can't overwrite each other's. */

import { AnswerStats } from './stats';

export type Role = 'user' | 'assistant';

export interface Message {
  role: Role;
  content: string;
  /** Of an answer: which model gave it, how it ended, what it cost. */
  model?: string;
  end?: AnswerEnd;
  stats?: AnswerStats;
}

/** `stop`: complete. `length`: at the token limit. `stopped`: by the user. `failed`: cut off by an error. */
export type AnswerEnd = 'stop' | 'length' | 'stopped' | 'failed';

export interface Conversation {
  id: string;
  title: string;
  updated_ms: number;
  messages: Message[];
}

/** The part of the browser's Storage that is used here. */
export type KeyValueStore = Pick<Storage, 'length' | 'key' | 'getItem' | 'setItem' | 'removeItem'>;

const kPrefix = 'kedge.conversation.';
const kTitleSizeMax = 60;

export function titleOf(messages: Message[]): string {
  const first = messages.find((message) => message.role === 'user')?.content ?? '';
  const line = (first.trim().split('\n')[0] ?? '').replace(/\s+/g, ' ').trim();
  const characters = [...line];
  if (characters.length <= kTitleSizeMax) return line === '' ? 'New chat' : line;
  return characters.slice(0, kTitleSizeMax - 1).join('').trimEnd() + '…';
}

/** An id from the browser's random numbers; randomUUID is missing where a server is reached by plain http. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export class ConversationStore {
  constructor(
    private readonly storage: KeyValueStore,
    private readonly now: () => number = Date.now,
  ) {}

  /** All conversations, newest first. Entries that are broken are left out, not repaired. */
  list(): Conversation[] {
    const found: Conversation[] = [];
    for (let index = 0; index < this.storage.length; index += 1) {
      const key = this.storage.key(index);
      if (key === null || !key.startsWith(kPrefix)) continue;
      const conversation = this.load(key.slice(kPrefix.length));
      if (conversation !== null) found.push(conversation);
    }
    return found.sort((a, b) => b.updated_ms - a.updated_ms || (a.id < b.id ? -1 : 1));
  }

  load(id: string): Conversation | null {
    const text = this.storage.getItem(kPrefix + id);
    return text === null ? null : parseConversation(id, text);
  }

  /** Stamps and writes it; false when the browser's storage is full or forbidden. */
  save(conversation: Conversation): boolean {
    conversation.updated_ms = this.now();
    conversation.title = titleOf(conversation.messages);
    return this.write(conversation);
  }

  /** Writes it as it is, for an undone deletion. */
  restore(conversation: Conversation): boolean {
    return this.write(conversation);
  }

  remove(id: string): void {
    this.storage.removeItem(kPrefix + id);
  }

  isConversationKey(key: string | null): boolean {
    return key === null || key.startsWith(kPrefix);
  }

  private write(conversation: Conversation): boolean {
    try {
      this.storage.setItem(kPrefix + conversation.id, JSON.stringify(conversation));
      return true;
    } catch {
      return false;
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseMessage(value: unknown): Message | null {
  if (!isObject(value) || typeof value.content !== 'string') return null;
  if (value.role !== 'user' && value.role !== 'assistant') return null;
  const message: Message = { role: value.role, content: value.content };
  if (typeof value.model === 'string') message.model = value.model;
  const ends: AnswerEnd[] = ['stop', 'length', 'stopped', 'failed'];
  const end = ends.find((name) => name === value.end);
  if (end !== undefined) message.end = end;
  const stats = parseStats(value.stats);
  if (stats !== null) message.stats = stats;
  return message;
}

function parseStats(value: unknown): AnswerStats | null {
  if (!isObject(value) || typeof value.answer_tokens !== 'number') return null;
  const stats: AnswerStats = { answer_tokens: value.answer_tokens, measured: value.measured === true };
  for (const name of ['prompt_tokens', 'tokens_per_second', 'first_token_ms'] as const) {
    const number = value[name];
    if (typeof number === 'number') stats[name] = number;
  }
  return stats;
}

function parseConversation(id: string, text: string): Conversation | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value) || !Array.isArray(value.messages) || typeof value.updated_ms !== 'number') return null;
  const messages = value.messages.map(parseMessage);
  if (!messages.every((message): message is Message => message !== null)) return null;
  return { id, title: titleOf(messages), updated_ms: value.updated_ms, messages };
}
