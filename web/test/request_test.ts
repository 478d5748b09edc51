// Goal: a request says what the settings say, and every chunk of an answer is understood.
// Method: requests and chunks as the OpenAI API has them, and broken ones.
import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import { errorMessage, parseChatChunk, parseModels } from '../src/api';
import {
  chatRequest,
  defaultSettings,
  kNumberFields,
  loadSettings,
  NumberField,
  parseNumber,
  promptMessages,
  saveSettings,
  stopStrings,
} from '../src/settings';
import { AnswerMeter, formatStats, modelDetails } from '../src/stats';
import { KeyValueStore } from '../src/store';

function storageWith(value: string | null): KeyValueStore {
  const entries = new Map<string, string>(value === null ? [] : [['kedge.settings', value]]);
  return {
    length: entries.size,
    key: () => null,
    getItem: (key) => entries.get(key) ?? null,
    setItem: (key, text) => void entries.set(key, text),
    removeItem: (key) => void entries.delete(key),
  };
}

test('request: settings that are set are sent, others are not', () => {
  const changes = { system: 'Be brief.', temperature: 0, top_p: null, seed: 7, stop: 'END\n\\n\\n' };
  const body = chatRequest('demo', { ...defaultSettings(), ...changes }, [{ role: 'user', content: 'Hi' }]);
  deepEqual(body, {
    model: 'demo',
    messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Hi' }],
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0,
    min_p: 0.05,
    top_k: 40,
    max_tokens: 1024,
    seed: 7,
    stop: ['END', '\n\n'],
  });
  equal('stop' in chatRequest('demo', defaultSettings(), []), false);
});

test('request: roles alternate and empty answers are left out', () => {
  const messages = promptMessages(' ', [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: '', end: 'stopped' },
    { role: 'user', content: 'b' },
    { role: 'assistant', content: 'c' },
  ]);
  deepEqual(messages, [{ role: 'user', content: 'a\n\nb' }, { role: 'assistant', content: 'c' }]);
});

test('settings: numbers are checked', () => {
  const field = (name: string): NumberField => kNumberFields.find((entry) => entry.name === name) as NumberField;
  equal(parseNumber(field('temperature'), ' 0.5 '), 0.5);
  equal(parseNumber(field('temperature'), ''), null);
  for (const text of ['x', '-1', '2.1', 'NaN', 'Infinity', '0,5']) {
    equal(parseNumber(field('temperature'), text), undefined, text);
  }
  equal(parseNumber(field('top_k'), '1.5'), undefined);
  equal(parseNumber(field('seed'), '9007199254740993'), undefined);
});

test('settings: saved and loaded, and broken ones fall back', () => {
  const storage = storageWith(null);
  const settings = { ...defaultSettings(), top_k: 5, seed: 3, temperature: null, system: 'S', stop: 'x' };
  saveSettings(storage, settings);
  deepEqual(loadSettings(storage), settings);
  for (const text of ['', '{', '7', 'null', '{"temperature":"hot","top_k":-1,"system":[]}']) {
    deepEqual(loadSettings(storageWith(text)), defaultSettings(), text);
  }
});

test('settings: stop strings', () => {
  deepEqual(stopStrings('a\n\n b \n\\\\n\\t\\q'), ['a', ' b ', '\\n\t\\q']);
});

test('chunk: text, finish, usage and rate', () => {
  deepEqual(parseChatChunk('{"choices":[{"delta":{"role":"assistant","content":""}}]}'), []);
  const text = '{"choices":[{"delta":{"content":"Hi"},"finish_reason":null}]}';
  deepEqual(parseChatChunk(text), [{ kind: 'text', text: 'Hi' }]);
  deepEqual(
    parseChatChunk(
      '{"choices":[{"delta":{},"finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":9},' +
        '"timings":{"predicted_per_second":12.5}}',
    ),
    [
      { kind: 'finish', reason: 'length' },
      { kind: 'usage', promptTokens: 5, answerTokens: 9 },
      { kind: 'rate', tokensPerSecond: 12.5 },
    ],
  );
  deepEqual(parseChatChunk('{"choices":[],"usage":null,"timings":{"predicted_per_second":0}}'), []);
});

test('models: those to chat with, and what is told of them', () => {
  const data = [
    { id: 'plain' },
    { id: 'demo', kind: 'decoder', max_model_len: 1024, parameter_count: 4_000_000 },
    { id: 'embedder', kind: 'embedder' },
    { id: 7 },
    null,
  ];
  deepEqual(parseModels({ data }), [{ id: 'plain' }, { id: 'demo', context_tokens: 1024, parameter_count: 4_000_000 }]);
  throws(() => parseModels({ data: [{ id: 'e', kind: 'reranker' }] }), /no model to chat with/);
  for (const body of [null, {}, { data: 7 }]) throws(() => parseModels(body), /can not be read/);
  equal(modelDetails({ id: 'x' }), '');
  const large = { id: 'x', context_tokens: 2048, parameter_count: 7_241_000_000 };
  equal(modelDetails(large), '7.2 B parameters · context 2,048');
  equal(modelDetails({ id: 'x', parameter_count: 260_032 }), '260 K parameters');
  equal(modelDetails({ id: 'x', parameter_count: 12_300_000 }), '12 M parameters');
});

test('chunk: errors', () => {
  throws(() => parseChatChunk('{"error":{"message":"no memory","code":503}}'), { message: 'no memory', status: 503 });
  throws(() => parseChatChunk('{"error":"plain"}'), { message: 'plain', status: 500 });
  throws(() => parseChatChunk('<html>'), /not JSON/);
  equal(errorMessage({ error: { message: 'm' } }), 'm');
  for (const value of [null, 7, {}, { error: {} }, { error: { message: 1 } }]) equal(errorMessage(value), null);
});

test('stats: measured, then the server’s own', () => {
  const meter = new AnswerMeter(1000);
  equal(formatStats(meter.stats()), '0 tokens');
  meter.addPiece(1250);
  equal(formatStats(meter.stats()), '1 token · first after 0.25 s');
  for (let index = 1; index <= 10; index += 1) meter.addPiece(1250 + index * 50);
  equal(formatStats(meter.stats()), '11 tokens · 20.0 tokens/s · first after 0.25 s');
  meter.setUsage(1200, 12);
  equal(formatStats(meter.stats()), '12 tokens · 22.0 tokens/s · first after 0.25 s · prompt 1,200 tokens');
  equal(meter.stats().measured, true);
  meter.setServerRate(1234.5);
  equal(formatStats(meter.stats()), '12 tokens · 1,235 tokens/s · first after 0.25 s · prompt 1,200 tokens');
  equal(meter.stats().measured, false);
});
