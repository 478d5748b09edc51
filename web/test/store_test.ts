// Goal: conversations survive a reload, and nothing that the storage holds can break the page.
// Method: a storage in memory with the browser's interface, made full or filled with broken entries.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { webcrypto } from 'node:crypto';
import { test } from 'node:test';
import { Conversation, ConversationStore, KeyValueStore, newId, titleOf } from '../src/store';

// Every browser has it; Node only from version 19 on.
if (globalThis.crypto === undefined) Object.defineProperty(globalThis, 'crypto', { value: webcrypto });

class MemoryStorage implements KeyValueStore {
  readonly entries = new Map<string, string>();
  full = false;
  get length(): number {
    return this.entries.size;
  }
  key(index: number): string | null {
    return [...this.entries.keys()][index] ?? null;
  }
  getItem(key: string): string | null {
    return this.entries.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    if (this.full) throw new Error('QuotaExceededError');
    this.entries.set(key, value);
  }
  removeItem(key: string): void {
    this.entries.delete(key);
  }
}

function conversation(id: string, question: string): Conversation {
  return {
    id,
    title: '',
    updated_ms: 0,
    messages: [
      { role: 'user', content: question },
      {
        role: 'assistant',
        content: 'An answer',
        model: 'demo',
        end: 'stop',
        stats: { answer_tokens: 2, measured: true },
      },
    ],
  };
}

test('store: what was saved is loaded, newest first', () => {
  const storage = new MemoryStorage();
  let now = 1000;
  const store = new ConversationStore(storage, () => (now += 1));
  storage.setItem('someone.else', '{}');
  const first = conversation('a', 'First question');
  const second = conversation('b', 'Second question');
  ok(store.save(first));
  ok(store.save(second));
  deepEqual(store.list().map((entry) => entry.title), ['Second question', 'First question']);
  ok(store.save(first));
  deepEqual(store.list().map((entry) => entry.id), ['a', 'b']);
  deepEqual(new ConversationStore(storage).load('a'), first);
});

test('store: removed and restored', () => {
  const storage = new MemoryStorage();
  const store = new ConversationStore(storage, () => 5);
  const entry = conversation('a', 'Q');
  store.save(entry);
  store.remove('a');
  equal(store.load('a'), null);
  deepEqual(store.list(), []);
  ok(store.restore(entry));
  deepEqual(store.list(), [entry]);
});

test('store: a full storage is reported', () => {
  const storage = new MemoryStorage();
  storage.full = true;
  equal(new ConversationStore(storage).save(conversation('a', 'Q')), false);
});

test('store: broken entries are left out', () => {
  const storage = new MemoryStorage();
  const store = new ConversationStore(storage, () => 1);
  store.save(conversation('good', 'Q'));
  const broken = [
    '',
    '{',
    'null',
    '[]',
    '{}',
    '{"updated_ms":1,"messages":[null]}',
    '{"updated_ms":1,"messages":[{"role":"system","content":"x"}]}',
    '{"updated_ms":1,"messages":[{"role":"user","content":7}]}',
    '{"updated_ms":"1","messages":[]}',
  ];
  broken.forEach((text, index) => storage.setItem(`kedge.conversation.broken${index}`, text));
  deepEqual(store.list().map((entry) => entry.id), ['good']);
  const odd = '{"role":"assistant","content":"x","end":"boom","stats":{"answer_tokens":"7"}}';
  storage.setItem('kedge.conversation.odd', `{"updated_ms":1,"messages":[${odd}]}`);
  deepEqual(store.load('odd')?.messages, [{ role: 'assistant', content: 'x' }]);
});

test('store: titles', () => {
  equal(titleOf([]), 'New chat');
  equal(titleOf([{ role: 'user', content: '  Hello \t there \nsecond line' }]), 'Hello there');
  const long = titleOf([{ role: 'user', content: '\u{1F600}'.repeat(100) }]);
  equal([...long].length, 60);
  ok(long.endsWith('\u{1F600}…'));
});

test('store: ids differ', () => {
  const ids = new Set(Array.from({ length: 100 }, newId));
  equal(ids.size, 100);
});
