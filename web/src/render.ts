/** Markdown trees to elements. */

import { copyButton, element } from './dom';
import { highlight } from './highlight';
import { Inline } from './inline';
import { Alignment, Block, parseMarkdown } from './markdown';

function renderInline(nodes: Inline[]): (Node | string)[] {
  return nodes.map((node) => {
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'code':
        return element('code', {}, node.text);
      case 'strong':
        return element('strong', {}, ...renderInline(node.children));
      case 'emphasis':
        return element('em', {}, ...renderInline(node.children));
      case 'strike':
        return element('s', {}, ...renderInline(node.children));
      case 'break':
        return element('br');
      case 'link': {
        // No referrer and no opener: the page that is opened learns nothing of this one.
        const attributes = { href: node.href, target: '_blank', rel: 'noopener noreferrer nofollow' };
        return element('a', { attributes }, ...renderInline(node.children));
      }
    }
  });
}

function renderCode(language: string, text: string): HTMLElement {
  const pieces = highlight(text, language).map((piece) =>
    piece.kind === 'plain' ? piece.text : element('span', { class: `code-${piece.kind}` }, piece.text),
  );
  return element(
    'div',
    { class: 'code' },
    element(
      'div',
      { class: 'code-bar' },
      element('span', {}, language === '' ? 'code' : language),
      copyButton('Copy code', () => text),
    ),
    element('pre', { attributes: { tabindex: 0 } }, element('code', {}, ...pieces)),
  );
}

function renderCells(tag: 'th' | 'td', cells: Inline[][], alignments: Alignment[]): HTMLElement {
  const nodes = cells.map((cell, column) => {
    const alignment = alignments[column] ?? null;
    return element(tag, { class: alignment === null ? '' : `align-${alignment}` }, ...renderInline(cell));
  });
  return element('tr', {}, ...nodes);
}

function renderItem(blocks: Block[], tight: boolean): HTMLElement {
  const children = blocks.flatMap((block) =>
    tight && block.kind === 'paragraph' ? renderInline(block.children) : [renderBlock(block)],
  );
  return element('li', {}, ...children);
}

function renderBlock(block: Block): HTMLElement {
  switch (block.kind) {
    case 'heading': {
      // The page's own title is the only first-level heading.
      const level = Math.min(block.level + 1, 6) as 2 | 3 | 4 | 5 | 6;
      return element(`h${level}`, {}, ...renderInline(block.children));
    }
    case 'paragraph':
      return element('p', {}, ...renderInline(block.children));
    case 'code':
      return renderCode(block.language, block.text);
    case 'quote':
      return element('blockquote', {}, ...block.children.map(renderBlock));
    case 'list': {
      const items = block.items.map((item) => renderItem(item, block.tight));
      if (!block.ordered) return element('ul', {}, ...items);
      return element('ol', { attributes: { start: block.start === 1 ? null : block.start } }, ...items);
    }
    case 'table': {
      const rows = block.rows.map((row) => renderCells('td', row, block.alignments));
      const head = element('thead', {}, renderCells('th', block.header, block.alignments));
      const table = element('table', {}, head, element('tbody', {}, ...rows));
      return element('div', { class: 'table', attributes: { tabindex: 0 } }, table);
    }
    case 'rule':
      return element('hr');
  }
}

/** Shows markdown that may grow: only blocks whose source changed are made again, so that selections survive. */
export class MarkdownView {
  readonly root = element('div', { class: 'markdown' });
  private sources: string[] = [];

  update(text: string): void {
    const blocks = parseMarkdown(text);
    let same = 0;
    while (same < blocks.length && blocks[same]?.source === this.sources[same]) same += 1;
    while (this.root.children.length > same) this.root.lastElementChild?.remove();
    for (const entry of blocks.slice(same)) this.root.append(renderBlock(entry.block));
    this.sources = blocks.map((entry) => entry.source);
  }
}
