// Goal: markdown becomes the tree a reader expects, and no text becomes a link or a hang that it should not.
// Method: trees written as short outlines; every prefix of a document is parsed, as streaming does.
import { deepEqual, equal, ok } from 'node:assert/strict';
import { test } from 'node:test';
import { Inline, parseInline, safeHref } from '../src/inline';
import { Block, parseMarkdown } from '../src/markdown';

/** Inline trees as text: strong{..} em{..} del{..} code(..) link(href){..} and "/" for a line break. */
function inlineOutline(nodes: Inline[]): string {
  const names = { strong: 'strong', emphasis: 'em', strike: 'del' };
  return nodes
    .map((node) => {
      if (node.kind === 'text') return node.text;
      if (node.kind === 'code') return `code(${node.text})`;
      if (node.kind === 'break') return '/';
      if (node.kind === 'link') return `link(${node.href}){${inlineOutline(node.children)}}`;
      return `${names[node.kind]}{${inlineOutline(node.children)}}`;
    })
    .join('');
}

function outline(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `h${block.level}(${inlineOutline(block.children)})`;
    case 'paragraph':
      return `p(${inlineOutline(block.children)})`;
    case 'code':
      return `code[${block.language}](${block.text.replace(/\n/g, '/')})`;
    case 'quote':
      return `quote[${block.children.map(outline).join(' ')}]`;
    case 'rule':
      return 'rule';
    case 'table': {
      const rows = [block.header, ...block.rows].map((row) => row.map(inlineOutline).join(','));
      return `table<${block.alignments.map((alignment) => alignment ?? '-').join(',')}>[${rows.join(';')}]`;
    }
    case 'list': {
      const items = block.items.map((item) => `(${item.map(outline).join(' ')})`).join('');
      return `${block.ordered ? `ol${block.start}` : 'ul'}${block.tight ? '' : '~'}${items}`;
    }
  }
}

function document(text: string): string {
  return parseMarkdown(text).map((entry) => outline(entry.block)).join(' ');
}

function inline(text: string): string {
  return inlineOutline(parseInline(text));
}

test('markdown: inline', () => {
  const cases: [string, string][] = [
    ['plain', 'plain'],
    ['*a* **b** ***c*** ~~d~~ _e_ __f__', 'em{a} strong{b} em{strong{c}} del{d} em{e} strong{f}'],
    ['**a *b* c**', 'strong{a em{b} c}'],
    ['*a **b** c*', 'em{a strong{b} c}'],
    ['2 * 3 * 4 and 5*6', '2 * 3 * 4 and 5*6'],
    ['snake_case_name and __init__.py', 'snake_case_name and strong{init}.py'],
    ['**open', '**open'],
    ['a** b', 'a** b'],
    ['**"quoted"** text', 'strong{"quoted"} text'],
    ['~5 minutes ~ ~~~', '~5 minutes ~ ~~~'],
    ['`*a*` ``b ` c`` `open', 'code(*a*) code(b ` c) `open'],
    ['`` ` ``', 'code(`)'],
    ['\\*a\\* \\q \\\\', '*a* \\q \\'],
    ['one\ntwo  \nthree\\\nfour', 'one/two/three/four'],
    ['<b>x</b> & &lt;', '<b>x</b> & &lt;'],
    ['[1] and [a][b] and [x', '[1] and [a][b] and [x'],
    ['*[a*]', 'em{[a}]'],
  ];
  for (const [text, expected] of cases) equal(inline(text), expected, text);
});

test('markdown: links lead to the web or stay text', () => {
  const cases: [string, string][] = [
    ['[k](https://kedge.example/a)', 'link(https://kedge.example/a){k}'],
    ['[**b** c](<https://e.org/a b> "t")', 'link(https://e.org/a%20b){strong{b} c}'],
    ['[s](https://e.org/Ship_(boat))', 'link(https://e.org/Ship_(boat)){s}'],
    ['![alt](https://e.org/i.png)', 'link(https://e.org/i.png){alt}'],
    ['[](https://e.org/)', 'link(https://e.org/){https://e.org/}'],
    ['see https://e.org/a_b_c.', 'see link(https://e.org/a_b_c){https://e.org/a_b_c}.'],
    ['(https://e.org/x)', '(link(https://e.org/x){https://e.org/x})'],
    ['<https://e.org/?a=1&b=2>', 'link(https://e.org/?a=1&b=2){https://e.org/?a=1&b=2}'],
    [
      '[[in](https://e.org/) out](https://f.org/)',
      '[link(https://e.org/){in} out](link(https://f.org/){https://f.org/})',
    ],
    ['[x](javascript:alert(1))', '[x](javascript:alert(1))'],
    ['[x](JaVaScRiPt:alert(1))', '[x](JaVaScRiPt:alert(1))'],
    ['[x](data:text/html,<script>alert(1)</script>)', '[x](data:text/html,<script>alert(1)</script>)'],
    ['[x](vbscript:a) [y](file:///etc/passwd)', '[x](vbscript:a) [y](file:///etc/passwd)'],
    ['[z](/v1/models)', '[z](/v1/models)'],
    ['<javascript:alert(1)>', '<javascript:alert(1)>'],
    ['[x](https://)', '[x](https://)'],
  ];
  for (const [text, expected] of cases) equal(inline(text), expected, text);
  for (const address of ['javascript:alert(1)', ' https://e.org', '\thttps://e.org', 'java\nscript:x', '//e.org', '']) {
    equal(safeHref(address), null, address);
  }
  equal(safeHref('HTTPS://E.org/"><script>'), 'https://e.org/%22%3E%3Cscript%3E');
});

test('markdown: blocks', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['\n \n', ''],
    ['a\nb\n\nc', 'p(a/b) p(c)'],
    ['# A\n## B #\n####### c\n#d', 'h1(A) h2(B) p(####### c/#d)'],
    ['a\n---\n***\n_ _ _', 'p(a) rule rule rule'],
    ['> a\nb\n> > c\n\nd', 'quote[p(a/b) quote[p(c)]] p(d)'],
    ['```C++ x\nint a;\n\n  b\n```\nafter', 'code[c++](int a;//  b) p(after)'],
    ['~~~\n```\n~~~', 'code[](```)'],
    ['````md\n```\n````', 'code[md](```)'],
    ['```py\nstill open', 'code[py](still open)'],
    ['```make\nall:\n\tcc x.c\n```', 'code[make](all:/\tcc x.c)'],
    ['text\n```\nx\n```', 'p(text) code[](x)'],
    ['<script>alert(1)</script>', 'p(<script>alert(1)</script>)'],
    ['*emphasis* first\n**bold** too', 'p(em{emphasis} first/strong{bold} too)'],
  ];
  for (const [text, expected] of cases) equal(document(text), expected, text);
});

test('markdown: lists', () => {
  const cases: [string, string][] = [
    ['- a\n- b', 'ul(p(a))(p(b))'],
    ['- a\n\n- b', 'ul~(p(a))(p(b))'],
    ['3. a\n4. b\n', 'ol3(p(a))(p(b))'],
    ['- a\n* b', 'ul(p(a)) ul(p(b))'],
    ['1. a\n  - b\n  - c\n2. d', 'ol1(p(a) ul(p(b))(p(c)))(p(d))'],
    ['- a\n    - b\n        - c\n- d', 'ul(p(a) ul(p(b) ul(p(c))))(p(d))'],
    ['- a\nlazy\n\nout', 'ul(p(a/lazy)) p(out)'],
    ['1. a\n\n   ```sh\n   ls\n\n   cd\n   ```\n\n2. b', 'ol1~(p(a) code[sh](ls//cd))(p(b))'],
    ['1. a\n\n   more\n2. b', 'ol1~(p(a) p(more))(p(b))'],
    ['- **a**: b\n- `c`', 'ul(p(strong{a}: b))(p(code(c)))'],
    ['In\n1984. It was', 'p(In/1984. It was)'],
    ['text\n- a', 'p(text) ul(p(a))'],
    ['-\n- a', 'ul()(p(a))'],
    ['-5 degrees', 'p(-5 degrees)'],
    ['- > q\n- # h', 'ul(quote[p(q)])(h1(h))'],
  ];
  for (const [text, expected] of cases) equal(document(text), expected, text);
});

test('markdown: tables', () => {
  equal(document('| a | b |\n|:--|--:|\n| 1 | **2** |\n| 3 |\n\nx'), 'table<left,right>[a,b;1,strong{2};3,] p(x)');
  equal(document('a|b\n-|:-:\n1\\|1|`c`'), 'table<-,center>[a,b;1|1,code(c)]');
  equal(document('a | b\nno delimiter'), 'p(a | b/no delimiter)');
  equal(document('a | b\n|---|'), 'p(a | b/|---|)');
});

test('markdown: sources tell which blocks changed', () => {
  const before = parseMarkdown('# A\n\nfirst\n\n- x');
  const after = parseMarkdown('# A\n\nfirst\n\n- x\n- y');
  deepEqual(before.map((entry) => entry.source), ['# A', 'first', '- x']);
  deepEqual(after.map((entry) => entry.source), ['# A', 'first', '- x\n- y']);
});

const kHostile: [string, string][] = [
  ['stars', '*'.repeat(50_000)],
  ['stars and letters', '*a'.repeat(50_000)],
  ['both marks', '*a _b '.repeat(30_000)],
  ['closers', 'a* b_ '.repeat(30_000)],
  ['brackets', '['.repeat(50_000)],
  ['pairs', '[]('.repeat(30_000)],
  ['link starts', '[a](https://e.org/'.repeat(10_000)],
  ['ticks', Array.from({ length: 400 }, (_, size) => '`'.repeat(size + 1)).join(' ')],
  ['quotes', '>'.repeat(50_000)],
  ['bullets', '- '.repeat(30_000)],
  ['nested', Array.from({ length: 500 }, (_, depth) => ' '.repeat(depth * 2) + '- a').join('\n')],
  ['pipes', 'a|'.repeat(30_000) + '\n' + '-|'.repeat(30_000)],
  ['blank lines', '- a\n' + '\n'.repeat(50_000) + 'b'],
  ['spaces', '```' + ' '.repeat(100_000) + '`'],
  ['rule or not', '* '.repeat(50_000) + 'x'],
  ['addresses', 'https://' + '('.repeat(50_000) + ')'.repeat(50_000)],
  ['escapes', '\\'.repeat(100_001)],
];

test('markdown: hostile text ends, and soon', () => {
  for (const [name, text] of kHostile) {
    // No clock here: a reading of these in quadratic time runs into the limit that test.sh sets.
    ok(parseMarkdown(text).length > 0, name);
  }
});

test('markdown: every prefix of a document can be read', () => {
  const text =
    '# T\n\n1. a **b *c* d** `e`\n   - f [g](https://h.org)\n\n> q\n\n```js\nx\n```\n\n| a | b |\n|-|-|\n| 1 | 2 |\n';
  for (let size = 0; size <= text.length; size += 1) {
    const prefix = text.slice(0, size);
    equal(parseMarkdown(prefix).length > 0, prefix.trim() !== '', prefix);
  }
});
