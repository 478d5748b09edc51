/** Markdown to a tree of blocks. HTML in the source stays text; images become links. */

import { Inline, parseInline } from './inline';

export type Alignment = 'left' | 'center' | 'right' | null;

export type Block =
  | { kind: 'heading'; level: number; children: Inline[] }
  | { kind: 'paragraph'; children: Inline[] }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'quote'; children: Block[] }
  | { kind: 'list'; ordered: boolean; start: number; tight: boolean; items: Block[][] }
  | { kind: 'table'; alignments: Alignment[]; header: Inline[][]; rows: Inline[][][] }
  | { kind: 'rule' };

/** A block of the document with the lines it was read from: equal sources give equal blocks. */
export interface SourceBlock {
  source: string;
  block: Block;
}

/** Quotes and lists nested deeper than this are read as paragraphs. */
const kDepthMax = 12;

const kFence = /^( *)(`{3,}|~{3,})([^`]*)$/;
const kHeading = /^ {0,3}(#{1,6})(?:[ \t]+(.*))?$/;
const kRule = /^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const kQuote = /^ {0,3}> ?/;
const kItem = /^( *)([-*+]|\d{1,9}[.)])(?:( +)(.*)|)$/;
const kMarks = /^[ \t>]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?/;
const kDelimiterCell = /^:?-+:?$/;

/** Reads a whole document. Takes linear time, so it may run on every frame of a streamed answer. */
export function parseMarkdown(text: string): SourceBlock[] {
  const lines = expandTabs(text.replace(/\r\n?/g, '\n').split('\n'));
  while (lines.length > 0 && isBlank(lines[lines.length - 1] as string)) lines.pop();
  return new BlockParser(lines, 0).parse();
}

class BlockParser {
  private index = 0;

  constructor(
    private readonly lines: string[],
    private readonly depth: number,
  ) {}

  parse(): SourceBlock[] {
    const blocks: SourceBlock[] = [];
    while (this.index < this.lines.length) {
      if (isBlank(this.peek())) {
        this.index += 1;
        continue;
      }
      const start = this.index;
      const block = this.readBlock();
      blocks.push({ source: this.lines.slice(start, this.index).join('\n'), block });
    }
    return blocks;
  }

  private peek(): string {
    return this.lines[this.index] ?? '';
  }

  private readBlock(): Block {
    const line = this.peek();
    if (kFence.test(line)) return this.readFence();
    const heading = kHeading.exec(line);
    if (heading) {
      this.index += 1;
      const title = (heading[2] ?? '').trim().replace(/(^| )#{1,64}$/, '');
      return { kind: 'heading', level: (heading[1] as string).length, children: parseInline(title.trim()) };
    }
    if (kRule.test(line)) {
      this.index += 1;
      return { kind: 'rule' };
    }
    if (this.depth < kDepthMax) {
      if (kQuote.test(line)) return this.readQuote();
      if (kItem.test(line)) return this.readList();
    }
    return this.readTable() ?? this.readParagraph();
  }

  /** A fence that is not closed yet runs to the end: the answer is still being written. */
  private readFence(): Block {
    const [, indent, mark, info] = kFence.exec(this.peek()) as unknown as [string, string, string, string];
    const text: string[] = [];
    for (this.index += 1; this.index < this.lines.length; this.index += 1) {
      const line = this.peek();
      const closing = line.trim();
      if (closing.length >= mark.length && closing === (mark[0] as string).repeat(closing.length)) {
        this.index += 1;
        break;
      }
      text.push(stripIndent(line, indent.length));
    }
    return { kind: 'code', language: info.trim().split(/[\s,{]/)[0]?.toLowerCase() ?? '', text: text.join('\n') };
  }

  private readQuote(): Block {
    const inner: string[] = [];
    while (this.index < this.lines.length) {
      const line = this.peek();
      const isQuote = kQuote.test(line);
      // A paragraph may go on without its mark.
      if (!isQuote && (isBlank(line) || isBlank(inner[inner.length - 1] ?? '') || this.startsBlock())) break;
      inner.push(isQuote ? line.replace(kQuote, '') : line);
      this.index += 1;
    }
    return { kind: 'quote', children: this.parseInner(inner) };
  }

  private parseInner(lines: string[]): Block[] {
    return new BlockParser(lines, this.depth + 1).parse().map((entry) => entry.block);
  }

  private readList(): Block {
    const first = kItem.exec(this.peek()) as RegExpExecArray;
    const mark = markKind(first);
    const items: Block[][] = [];
    let tight = true;
    while (this.index < this.lines.length) {
      const match = kItem.exec(this.peek());
      if (match === null || markKind(match) !== mark || kRule.test(this.peek())) break;
      const item = this.readItem(match);
      if (item.length > 1 && item.some(isBlank)) tight = false;
      items.push(this.parseInner(item));
      const blanks = this.countBlanks();
      const next = kItem.exec(this.lines[this.index + blanks] ?? '');
      if (blanks > 0 && next !== null && markKind(next) === mark) {
        tight = false;
        this.index += blanks;
      }
    }
    const ordered = mark === '.' || mark === ')';
    return { kind: 'list', ordered, start: ordered ? parseInt(first[2] as string, 10) : 1, tight, items };
  }

  /** The lines of one item without their indent; stops at the blank lines before whatever follows the item. */
  private readItem(match: RegExpExecArray): string[] {
    const indent = (match[1] as string).length;
    const spaces = (match[3] ?? ' ').length;
    const content = indent + (match[2] as string).length + (spaces > 4 ? 1 : spaces);
    // Models often indent a nested list by two spaces even under "1.".
    const inside = Math.min(content, indent + 2);
    const item = [' '.repeat(spaces > 4 ? spaces - 1 : 0) + (match[4] ?? '')];
    let fence = openedFence(item[0] as string, '');
    for (this.index += 1; this.index < this.lines.length; ) {
      const line = this.peek();
      const blanks = this.countBlanks();
      if (blanks > 0) {
        if (indentOf(this.lines[this.index + blanks] ?? '') < inside) break;
        for (let blank = 0; blank < blanks; blank += 1) item.push('');
        this.index += blanks;
        continue;
      }
      const lazy = fence === '' && !isBlank(item[item.length - 1] ?? '') && !this.startsBlock();
      if (indentOf(line) < inside && !lazy) break;
      item.push(stripIndent(line, content));
      fence = openedFence(line, fence);
      this.index += 1;
    }
    return item;
  }

  /** Blank lines from here on that have another line after them. */
  private countBlanks(): number {
    let count = 0;
    while (this.index + count < this.lines.length && isBlank(this.lines[this.index + count] as string)) count += 1;
    return this.index + count < this.lines.length ? count : 0;
  }

  private startsBlock(): boolean {
    const line = this.peek();
    return kFence.test(line) || kHeading.test(line) || kRule.test(line) || kQuote.test(line) || kItem.test(line);
  }

  private interruptsParagraph(): boolean {
    if (!this.startsBlock()) return false;
    const item = kRule.test(this.peek()) ? null : kItem.exec(this.peek());
    if (this.depth >= kDepthMax) return item === null && !kQuote.test(this.peek());
    // A line that happens to begin with "1984." is no list, nor is a lone "-".
    return item === null || (item[4] !== undefined && /^(?:\D|1[.)])/.test(item[2] as string));
  }

  private readTable(): Block | null {
    const header = this.peek();
    const delimiter = this.lines[this.index + 1] ?? '';
    if (!header.includes('|') || !delimiter.includes('-')) return null;
    const marks = splitCells(delimiter);
    const titles = splitCells(header);
    if (marks.length !== titles.length || !marks.every((cell) => kDelimiterCell.test(cell))) return null;
    const alignments = marks.map(alignmentOf);
    const rows: Inline[][][] = [];
    for (this.index += 2; this.index < this.lines.length; this.index += 1) {
      if (!this.peek().includes('|') || kFence.test(this.peek())) break;
      const cells = splitCells(this.peek());
      rows.push(titles.map((_, column) => parseInline(cells[column] ?? '')));
    }
    return { kind: 'table', alignments, header: titles.map(parseInline), rows };
  }

  private readParagraph(): Block {
    const lines = [this.peek().trim()];
    for (this.index += 1; this.index < this.lines.length; this.index += 1) {
      const line = this.peek();
      if (isBlank(line)) break;
      if (this.interruptsParagraph()) break;
      lines.push(line.trim());
    }
    return { kind: 'paragraph', children: parseInline(lines.join('\n')) };
  }
}

/** Indents are compared in spaces, but the tabs of code are content (a Makefile is wrong without them). */
function expandTabs(lines: string[]): string[] {
  let fence = '';
  return lines.map((line) => {
    const inCode = fence !== '';
    fence = openedFence(line.replace(kMarks, ''), fence);
    return inCode ? line : line.replace(/\t/g, '    ');
  });
}

function isBlank(line: string): boolean {
  return line.trim() === '';
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function stripIndent(line: string, width: number): string {
  return line.slice(Math.min(width, indentOf(line)));
}

/** "-", "*", "+" or the character behind the number: another mark starts another list. */
function markKind(item: RegExpExecArray): string {
  const mark = item[2] as string;
  return mark[mark.length - 1] as string;
}

/** The mark of the fence that is open after this line, or ''. */
function openedFence(line: string, open: string): string {
  const mark = kFence.exec(line)?.[2] ?? '';
  if (open === '') return mark;
  return mark.length >= open.length && mark[0] === open[0] ? '' : open;
}

function splitCells(line: string): string[] {
  const row = line.trim().replace(/^\|/, '').replace(/(^|[^\\])\|$/, '$1');
  return row.split(/(?<!\\)\|/).map((cell) => cell.trim().replace(/\\\|/g, '|'));
}

function alignmentOf(cell: string): Alignment {
  if (cell.startsWith(':')) return cell.endsWith(':') ? 'center' : 'left';
  return cell.endsWith(':') ? 'right' : null;
}
