// Goal: events come out whole wherever the network cut the stream.
// Method: one stream with every line end and field, fed in chunks of every size.
import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { SseParser } from '../src/sse';

const kStream =
  '\uFEFF: hello\n\ndata: {"a":1}\n\nevent: note\r\ndata: two\r\ndata: lines\r\n\r\nid: 7\rdata:tight\r\rdata\n\n' +
  'data:  kept space\n\nretry: 10\n\ndata: [DONE]\n\ndata: never finished\n';
const kEvents = ['{"a":1}', 'two\nlines', 'tight', '', ' kept space', '[DONE]'];

test('sse: every chunk size gives the same events', () => {
  for (let size = 1; size <= kStream.length; size += 1) {
    const parser = new SseParser();
    const events: string[] = [];
    for (let start = 0; start < kStream.length; start += size) {
      events.push(...parser.push(kStream.slice(start, start + size)), ...parser.push(''));
    }
    deepEqual(events, kEvents, `chunks of ${size}`);
  }
});

test('sse: an event is given as soon as its blank line is there', () => {
  const parser = new SseParser();
  deepEqual(parser.push('data: x\n'), []);
  deepEqual(parser.push('\n'), ['x']);
  deepEqual(parser.push('data: y\r\n\r'), ['y']);
  deepEqual(parser.push('\ndata: z\n\n'), ['z']);
});

test('sse: a long event in many chunks takes linear time', () => {
  const parser = new SseParser();
  const events: string[] = parser.push('data: ');
  for (let index = 0; index < 20_000; index += 1) events.push(...parser.push('0123456789'));
  events.push(...parser.push('\n\n'));
  equal(events.length, 1);
  equal(events[0]?.length, 200_000);
});
