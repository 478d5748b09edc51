// Goal: colouring never changes the code, and finds comments, strings, numbers and keywords.
// Method: pieces joined give the source again, for every language and for broken source; kinds of small samples.
import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { highlight } from '../src/highlight';

const kLanguages = 'c cpp js ts python rust go sh sql json yaml constructor __proto__ unknown'.split(' ');
const kSources = [
  '',
  'int main() { return 0x1F; } // done\n/* open',
  'def f(x): # note\n  """doc\nmore""" + \'a\\\'b\' + "open\n',
  'SELECT * FROM t WHERE a = \'it\'\'s\' -- why',
  '`a ${b} c` \u{1F600} 1.5e-3 "\\',
];

test('highlight: the pieces are the code', () => {
  for (const language of kLanguages) {
    for (const source of kSources) {
      const pieces = highlight(source, language);
      equal(pieces.map((piece) => piece.text).join(''), source, language);
    }
  }
});

function kinds(source: string, language: string): string[] {
  return highlight(source, language)
    .filter((piece) => piece.kind !== 'plain')
    .map((piece) => `${piece.kind}:${piece.text}`);
}

test('highlight: kinds', () => {
  const pieces = ['keyword:return', 'string:"a"', 'call:f', 'number:42', 'comment:// x'];
  deepEqual(kinds('return "a" + f(42); // x', 'cpp'), pieces);
  deepEqual(kinds('if x: # y', 'python'), ['keyword:if', 'comment:# y']);
  deepEqual(kinds('select a', 'sql'), ['keyword:select']);
  deepEqual(kinds('echo $# "a # b"', 'sh'), ['keyword:echo', 'string:"a # b"']);
  deepEqual(kinds('if x', 'text'), []);
});
