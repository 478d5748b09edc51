/** Sampling settings and system prompt, and the request that they make of a conversation. */

import { KeyValueStore, Message } from './store';

export type NumberName = 'temperature' | 'top_p' | 'top_k' | 'min_p' | 'max_tokens' | 'seed';

export interface NumberField {
  name: NumberName;
  label: string;
  hint: string;
  min: number;
  max: number;
  step: number;
  initial: number | null;
  /** Shown beside the number, where its range is one to slide along. */
  slider: boolean;
}

export const kNumberFields: readonly NumberField[] = [
  { name: 'temperature', label: 'Temperature', hint: '0 always takes the likeliest token; higher is more varied.',
    min: 0, max: 2, step: 0.05, initial: 0.7, slider: true },
  { name: 'top_p', label: 'Top p', hint: 'Keeps the likeliest tokens that together reach this probability.',
    min: 0, max: 1, step: 0.01, initial: 0.95, slider: true },
  { name: 'min_p', label: 'Min p', hint: 'Drops tokens less likely than this share of the likeliest.',
    min: 0, max: 1, step: 0.01, initial: 0.05, slider: true },
  { name: 'top_k', label: 'Top k', hint: 'Keeps this many of the likeliest tokens; 0 keeps all.',
    min: 0, max: 1_000_000, step: 1, initial: 40, slider: false },
  { name: 'max_tokens', label: 'Max tokens', hint: 'The answer ends here at the latest.',
    min: 1, max: 1_000_000, step: 1, initial: 1024, slider: false },
  { name: 'seed', label: 'Seed', hint: 'The same seed gives the same answer again; empty is random.',
    min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, initial: null, slider: false },
];

/** A number that is null is not sent: the model's own default holds. */
export type Settings = Record<NumberName, number | null> & {
  system: string;
  /** One stop string a line, with \n, \t and \\ as in C. */
  stop: string;
};

export function defaultSettings(): Settings {
  const settings = { system: '', stop: '' } as Settings;
  for (const field of kNumberFields) settings[field.name] = field.initial;
  return settings;
}

/** The number in a text field: null when it is empty, undefined when it is no number in the field's range. */
export function parseNumber(field: NumberField, text: string): number | null | undefined {
  if (text.trim() === '') return null;
  const value = Number(text);
  const whole = field.step === 1;
  if (!Number.isFinite(value) || value < field.min || value > field.max) return undefined;
  return whole && !Number.isInteger(value) ? undefined : value;
}

const kEscapes: Record<string, string> = { n: '\n', t: '\t', '\\': '\\' };

export function stopStrings(lines: string): string[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/\\([nt\\])/g, (_, letter: string) => kEscapes[letter] as string));
}

const kKey = 'kedge.settings';

export function loadSettings(storage: KeyValueStore): Settings {
  const settings = defaultSettings();
  let saved: unknown;
  try {
    saved = JSON.parse(storage.getItem(kKey) ?? 'null');
  } catch {
    return settings;
  }
  if (typeof saved !== 'object' || saved === null) return settings;
  const values = saved as Record<string, unknown>;
  for (const field of kNumberFields) {
    const value = values[field.name];
    if (value === null) settings[field.name] = null;
    if (typeof value === 'number') settings[field.name] = parseNumber(field, String(value)) ?? field.initial;
  }
  if (typeof values.system === 'string') settings.system = values.system;
  if (typeof values.stop === 'string') settings.stop = values.stop;
  return settings;
}

export function saveSettings(storage: KeyValueStore, settings: Settings): void {
  try {
    storage.setItem(kKey, JSON.stringify(settings));
  } catch {
    // Full or forbidden storage: they hold until the page is closed.
  }
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** What the model is to see: no empty answers, and roles that alternate, as many templates demand. */
export function promptMessages(system: string, messages: Message[]): ChatMessage[] {
  const prompt: ChatMessage[] = system.trim() === '' ? [] : [{ role: 'system', content: system }];
  for (const { role, content } of messages) {
    if (content === '') continue;
    const last = prompt[prompt.length - 1];
    if (last?.role === role) last.content += `\n\n${content}`;
    else prompt.push({ role, content });
  }
  return prompt;
}

/** The body of /v1/chat/completions. */
export function chatRequest(model: string, settings: Settings, messages: Message[]): Record<string, unknown> {
  const body: Record<string, unknown> = {
    model,
    messages: promptMessages(settings.system, messages),
    stream: true,
    stream_options: { include_usage: true },
  };
  for (const { name } of kNumberFields) if (settings[name] !== null) body[name] = settings[name];
  const stop = stopStrings(settings.stop);
  if (stop.length > 0) body.stop = stop;
  return body;
}
