// Goal: thinking is set apart while it streams and after, and an answer without it stays as it is.
// Method: answers cut at the places that matter.
import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { splitThinking } from '../src/thinking';

test('thinking: split from the answer', () => {
  deepEqual(splitThinking('Plain <think>x</think>'), { thinking: null, answer: 'Plain <think>x</think>' });
  deepEqual(splitThinking(''), { thinking: null, answer: '' });
  deepEqual(splitThinking('\n<think>\nhmm'), { thinking: 'hmm', answer: '' });
  deepEqual(splitThinking('<think>\nhmm\n</think>\n\nYes.'), { thinking: 'hmm', answer: 'Yes.' });
  deepEqual(splitThinking('<think>\n\n</think>\n\nYes.'), { thinking: '', answer: 'Yes.' });
});
