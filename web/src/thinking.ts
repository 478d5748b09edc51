/** Answers of reasoning models: what stands between <think> and </think> at their start is set apart. */

export interface SplitAnswer {
  /** Null when the answer has no thinking. */
  thinking: string | null;
  answer: string;
}

const kOpen = '<think>';
const kClose = '</think>';

export function splitThinking(content: string): SplitAnswer {
  const text = content.trimStart();
  if (!text.startsWith(kOpen)) return { thinking: null, answer: content };
  const end = text.indexOf(kClose);
  if (end < 0) return { thinking: text.slice(kOpen.length).trim(), answer: '' };
  return { thinking: text.slice(kOpen.length, end).trim(), answer: text.slice(end + kClose.length).trimStart() };
}
