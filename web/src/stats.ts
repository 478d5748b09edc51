/** Numbers as the page shows them: what an answer cost (as the server says, else as measured), how big a model is. */

import { Model } from './api';

export interface AnswerStats {
  prompt_tokens?: number;
  answer_tokens: number;
  tokens_per_second?: number;
  first_token_ms?: number;
  /** The page counted and timed: pieces that arrived, on its own clock. */
  measured: boolean;
}

/** Watches one answer arrive. Times are milliseconds of any monotonic clock. */
export class AnswerMeter {
  private pieces = 0;
  private firstMs: number | null = null;
  private lastMs = 0;
  private promptTokens: number | undefined;
  private answerTokens: number | undefined;
  private serverRate: number | undefined;

  constructor(private readonly startMs: number) {}

  addPiece(nowMs: number): void {
    this.pieces += 1;
    this.firstMs ??= nowMs;
    this.lastMs = nowMs;
  }

  setUsage(promptTokens: number, answerTokens: number): void {
    this.promptTokens = promptTokens;
    this.answerTokens = answerTokens;
  }

  setServerRate(tokensPerSecond: number): void {
    this.serverRate = tokensPerSecond;
  }

  stats(): AnswerStats {
    const answerTokens = this.answerTokens ?? this.pieces;
    const stats: AnswerStats = {
      answer_tokens: answerTokens,
      measured: this.answerTokens === undefined || this.serverRate === undefined,
    };
    if (this.promptTokens !== undefined) stats.prompt_tokens = this.promptTokens;
    if (this.firstMs !== null) stats.first_token_ms = this.firstMs - this.startMs;
    const rate = this.serverRate ?? this.measuredRate(answerTokens);
    if (rate !== undefined) stats.tokens_per_second = rate;
    return stats;
  }

  /** The first token's time is the prompt's, so the rate is that of the others. */
  private measuredRate(answerTokens: number): number | undefined {
    const spentMs = this.lastMs - (this.firstMs ?? this.lastMs);
    return answerTokens >= 2 && spentMs > 0 ? ((answerTokens - 1) * 1000) / spentMs : undefined;
  }
}

function formatRate(rate: number): string {
  return rate >= 100 ? Math.round(rate).toLocaleString('en') : rate >= 10 ? rate.toFixed(1) : rate.toFixed(2);
}

function count(tokens: number): string {
  return `${tokens.toLocaleString('en')} ${tokens === 1 ? 'token' : 'tokens'}`;
}

/** One short line, for example "128 tokens · 43.2 tokens/s · first after 0.21 s · prompt 56 tokens". */
export function formatStats(stats: AnswerStats): string {
  const parts = [count(stats.answer_tokens)];
  if (stats.tokens_per_second !== undefined) parts.push(`${formatRate(stats.tokens_per_second)} tokens/s`);
  if (stats.first_token_ms !== undefined) parts.push(`first after ${(stats.first_token_ms / 1000).toFixed(2)} s`);
  if (stats.prompt_tokens !== undefined) parts.push(`prompt ${count(stats.prompt_tokens)}`);
  return parts.join(' · ');
}

/** For example "7.2 B parameters · context 32,768"; empty when the server tells nothing. */
export function modelDetails(model: Model): string {
  const parts: string[] = [];
  if (model.parameter_count !== undefined) parts.push(`${shortCount(model.parameter_count)} parameters`);
  if (model.context_tokens !== undefined) parts.push(`context ${model.context_tokens.toLocaleString('en')}`);
  return parts.join(' · ');
}

function shortCount(value: number): string {
  for (const [size, unit] of [[1e12, 'T'], [1e9, 'B'], [1e6, 'M'], [1e3, 'K']] as const) {
    if (value >= size) return `${(value / size).toFixed(value < 10 * size ? 1 : 0)} ${unit}`;
  }
  return String(value);
}
