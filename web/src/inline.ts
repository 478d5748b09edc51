/** Markdown inside a paragraph: emphasis, code, links. Its output is a tree of plain text, never HTML. */

export type Inline =
  | { kind: 'text'; text: string }
  | { kind: 'code'; text: string }
  | { kind: 'strong' | 'emphasis' | 'strike'; children: Inline[] }
  | { kind: 'link'; href: string; children: Inline[] }
  | { kind: 'break' };

/** Openers past this depth stay text, so that no input costs more than linear time. */
const kDepthMax = 32;
const kHrefSizeMax = 2048;

const kPunctuation = /[\p{P}\p{S}]/u;
const kEscapable = /[!-/:-@[-`{-~]/;
const kBareAddress = /https?:\/\/[^\s<>"'`[\]]+/iy;
const kAngleAddress = /<(https?:\/\/[^\s<>]*)>/iy;
const kTarget =
  /^\(\s*(?:<([^<>\n]*)>|([^\s()]*(?:\([^\s()]*\)[^\s()]*)*))(?:\s+(?:"[^"]*"|'[^']*'|\([^()]*\)))?\s*\)/;

/** The address as the browser will read it when it is a web address; null for every other scheme. */
export function safeHref(address: string): string | null {
  if (address.length > kHrefSizeMax || !/^https?:\/\//i.test(address)) return null;
  try {
    const url = new URL(address);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

export function parseInline(text: string): Inline[] {
  return new InlineParser(text).parse();
}

/** An opener that waits for its closer, with what has been read since. */
interface Frame {
  mark: '*' | '_' | '~' | '[' | '';
  /** How many of the mark are still unused; for '[' its source ("[" or "!["). */
  count: number;
  source: string;
  canClose: boolean;
  children: Inline[];
}

class InlineParser {
  private position = 0;
  private readonly frames: Frame[] = [{ mark: '', count: 0, source: '', canClose: false, children: [] }];
  /** Where the last run of so many backticks starts: tells at once that a code span never ends. */
  private readonly lastTicks = new Map<number, number>();

  constructor(private readonly text: string) {
    for (const run of text.matchAll(/`+/g)) this.lastTicks.set((run[0] as string).length, run.index ?? 0);
  }

  parse(): Inline[] {
    while (this.position < this.text.length) this.step();
    while (this.frames.length > 1) this.dropTop();
    return this.top().children;
  }

  private top(): Frame {
    return this.frames[this.frames.length - 1] as Frame;
  }

  private append(node: Inline): void {
    const children = this.top().children;
    const last = children[children.length - 1];
    if (node.kind === 'text' && last?.kind === 'text') last.text += node.text;
    else children.push(node);
  }

  private appendText(text: string): void {
    if (text !== '') this.append({ kind: 'text', text });
  }

  /** The top opener found no closer: it was text after all. */
  private dropTop(): void {
    const frame = this.frames.pop() as Frame;
    this.appendText(frame.mark === '[' || frame.mark === '' ? frame.source : frame.mark.repeat(frame.count));
    frame.children.forEach((child) => this.append(child));
  }

  private step(): void {
    const character = this.text[this.position] as string;
    switch (character) {
      case '\\':
        return this.readEscape();
      case '`':
        return this.readCode();
      case '*':
      case '_':
      case '~':
        return this.readDelimiters(character);
      case '!':
        if (this.text[this.position + 1] === '[') return this.openBracket('![');
        break;
      case '[':
        return this.openBracket('[');
      case ']':
        return this.closeBracket();
      case '<':
        if (this.readAngleAddress()) return;
        break;
      case 'h':
      case 'H':
        if (this.readBareAddress()) return;
        break;
      case '\n':
        return this.readLineEnd();
    }
    this.readPlain();
  }

  private readPlain(): void {
    const start = this.position;
    const special = /[\\`*_~![\]<hH\n]/g;
    special.lastIndex = start + 1;
    this.position = special.exec(this.text)?.index ?? this.text.length;
    this.appendText(this.text.slice(start, this.position));
  }

  private readEscape(): void {
    const next = this.text[this.position + 1] ?? '';
    if (next === '\n') {
      this.position += 1;
    } else if (kEscapable.test(next)) {
      this.appendText(next);
      this.position += 2;
    } else {
      this.appendText('\\');
      this.position += 1;
    }
  }

  /** In a chat a line end is meant: poems, addresses and lists without marks depend on it. */
  private readLineEnd(): void {
    const children = this.top().children;
    const last = children[children.length - 1];
    if (last?.kind === 'text') last.text = last.text.replace(/ {1,64}$/, '');
    this.append({ kind: 'break' });
    this.position += 1;
    while (this.text[this.position] === ' ') this.position += 1;
  }

  private runLength(character: string): number {
    let end = this.position;
    while (this.text[end] === character) end += 1;
    return end - this.position;
  }

  private readCode(): void {
    const size = this.runLength('`');
    const start = this.position + size;
    this.position = start;
    if ((this.lastTicks.get(size) ?? -1) < start) return this.appendText('`'.repeat(size));
    const runs = /`+/g;
    runs.lastIndex = start;
    let run = runs.exec(this.text);
    while (run !== null && run[0]?.length !== size) run = runs.exec(this.text);
    const end = (run as RegExpExecArray).index;
    let code = this.text.slice(start, end).replace(/\n/g, ' ');
    if (/^ .*[^ ].* $/.test(code)) code = code.slice(1, -1);
    this.append({ kind: 'code', text: code });
    this.position = end + size;
  }

  private readDelimiters(mark: '*' | '_' | '~'): void {
    const size = this.runLength(mark);
    const before = this.text[this.position - 1] ?? ' ';
    const after = this.text[this.position + size] ?? ' ';
    this.position += size;
    // "~" alone is "about", "~~~" is a fence: only "~~" strikes through.
    if (mark === '~' && size !== 2) return this.appendText(mark.repeat(size));
    const opens = !/\s/.test(after) && (!kPunctuation.test(after) || /\s/.test(before) || kPunctuation.test(before));
    const closes = !/\s/.test(before) && (!kPunctuation.test(before) || /\s/.test(after) || kPunctuation.test(after));
    // snake_case_names are not emphasis.
    const canOpen = mark === '_' ? opens && (!closes || kPunctuation.test(before)) : opens;
    const canClose = mark === '_' ? closes && (!opens || kPunctuation.test(after)) : closes;

    let left = size;
    if (canClose) left = this.closeDelimiters(mark, size, canOpen);
    if (left === 0) return;
    if (canOpen && this.frames.length < kDepthMax) {
      this.frames.push({ mark, count: left, source: '', canClose, children: [] });
    } else {
      this.appendText(mark.repeat(left));
    }
  }

  /** Closes as many openers of this mark as `size` reaches; returns how many marks are left over. */
  private closeDelimiters(mark: '*' | '_' | '~', size: number, canOpen: boolean): number {
    let left = size;
    while (left > 0) {
      const index = this.findOpener(mark, left, canOpen);
      if (index < 0) break;
      while (this.frames.length - 1 > index) this.dropTop();
      const frame = this.top();
      const used = left >= 2 && frame.count >= 2 ? 2 : 1;
      const kind = mark === '~' ? 'strike' : used === 2 ? 'strong' : 'emphasis';
      const node: Inline = { kind, children: frame.children };
      left -= used;
      frame.count -= used;
      frame.children = [];
      if (frame.count === 0) this.frames.pop();
      this.append(node);
    }
    return left;
  }

  private findOpener(mark: string, closerCount: number, closerCanOpen: boolean): number {
    for (let index = this.frames.length - 1; index > 0; index -= 1) {
      const frame = this.frames[index] as Frame;
      if (frame.mark !== mark) continue;
      // CommonMark's rule of three, which reads "**a*b**" as strong.
      const ambiguous = frame.canClose || closerCanOpen;
      const sum = frame.count + closerCount;
      if (ambiguous && sum % 3 === 0 && (frame.count % 3 !== 0 || closerCount % 3 !== 0)) continue;
      return index;
    }
    return -1;
  }

  private openBracket(source: string): void {
    this.position += source.length;
    if (this.frames.length >= kDepthMax) return this.appendText(source);
    this.frames.push({ mark: '[', count: 1, source, canClose: false, children: [] });
  }

  private closeBracket(): void {
    this.position += 1;
    let index = this.frames.length - 1;
    while (index > 0 && this.frames[index]?.mark !== '[') index -= 1;
    if (index === 0) return this.appendText(']');
    const window = this.text.slice(this.position, this.position + kHrefSizeMax + 256);
    const target = kTarget.exec(window);
    const href = target === null ? null : safeHref(target[1] ?? target[2] ?? '');
    if (target === null || href === null) {
      // Not a link: the bracket was text, and what opened inside it may still close outside.
      (this.frames[index] as Frame).mark = '';
      if (index === this.frames.length - 1) this.dropTop();
      return this.appendText(']');
    }
    while (this.frames.length - 1 > index) this.dropTop();
    const frame = this.frames.pop() as Frame;
    // A link holds no link, so the openers around it can only be text now.
    for (const outer of this.frames) if (outer.mark === '[') outer.mark = '';
    const children: Inline[] = frame.children.length > 0 ? frame.children : [{ kind: 'text', text: href }];
    this.append({ kind: 'link', href, children });
    this.position += (target[0] as string).length;
  }

  private readAngleAddress(): boolean {
    kAngleAddress.lastIndex = this.position;
    const match = kAngleAddress.exec(this.text);
    const href = match === null ? null : safeHref(match[1] as string);
    if (match === null || href === null) return false;
    this.append({ kind: 'link', href, children: [{ kind: 'text', text: match[1] as string }] });
    this.position += (match[0] as string).length;
    return true;
  }

  private readBareAddress(): boolean {
    if (/[\p{L}\p{N}_]/u.test(this.text[this.position - 1] ?? ' ')) return false;
    if (this.frames.some((frame) => frame.mark === '[')) return false;
    kBareAddress.lastIndex = this.position;
    const match = kBareAddress.exec(this.text);
    if (match === null) return false;
    // The sentence's own punctuation follows the address; a closing parenthesis may belong to it ("..._(ship)").
    let address = (match[0] as string).slice(0, kHrefSizeMax).replace(/[.,;:!?*_~]{1,64}$/, '');
    if (address.endsWith(')') && !address.includes('(')) address = address.replace(/\){1,64}[.,;:!?]{0,64}$/, '');
    const href = safeHref(address);
    if (href === null) return false;
    this.append({ kind: 'link', href, children: [{ kind: 'text', text: address }] });
    this.position += address.length;
    return true;
  }
}
