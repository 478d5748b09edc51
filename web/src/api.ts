/** The server's OpenAI-compatible routes, on the page's own origin. */

import { Metrics, parseMetrics } from './metrics';
import { SseParser } from './sse';

/** A request that failed: `status` is 0 when no answer came at all. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export type ChatEvent =
  | { kind: 'text'; text: string }
  | { kind: 'finish'; reason: string }
  | { kind: 'usage'; promptTokens: number; answerTokens: number }
  | { kind: 'rate'; tokensPerSecond: number };

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

/** The message of an error in OpenAI's form, or null when the value is none. */
export function errorMessage(value: unknown): string | null {
  const error = field(value, 'error');
  if (typeof error === 'string') return error;
  const message = field(error, 'message');
  return typeof message === 'string' ? message : null;
}

/** Reads one chunk of a streamed chat completion. Throws ApiError when it says that the answer failed. */
export function parseChatChunk(data: string): ChatEvent[] {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new ApiError(`The server sent a chunk that is not JSON: ${data.slice(0, 120)}`, 0);
  }
  const error = errorMessage(chunk);
  if (error !== null) throw new ApiError(error, numberOf(field(field(chunk, 'error'), 'code')) ?? 500);

  const events: ChatEvent[] = [];
  const choices = field(chunk, 'choices');
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const text = field(field(choice, 'delta'), 'content');
  if (typeof text === 'string' && text !== '') events.push({ kind: 'text', text });
  const reason = field(choice, 'finish_reason');
  if (typeof reason === 'string') events.push({ kind: 'finish', reason });
  const promptTokens = numberOf(field(field(chunk, 'usage'), 'prompt_tokens'));
  const answerTokens = numberOf(field(field(chunk, 'usage'), 'completion_tokens'));
  if (promptTokens !== undefined && answerTokens !== undefined) {
    events.push({ kind: 'usage', promptTokens, answerTokens });
  }
  const tokensPerSecond = numberOf(field(field(chunk, 'timings'), 'predicted_per_second'));
  if (tokensPerSecond !== undefined && tokensPerSecond > 0) events.push({ kind: 'rate', tokensPerSecond });
  return events;
}

async function request(path: string, init: RequestInit, apiKey: string): Promise<Response> {
  const headers: Record<string, string> = {};
  if (init.body !== undefined) headers['Content-Type'] = 'application/json';
  if (apiKey !== '') headers.Authorization = `Bearer ${apiKey}`;
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers, cache: 'no-store' });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError('The server does not answer. Is `kedge serve` still running?', 0);
  }
  if (response.ok) return response;
  const body = await response.text().catch(() => '');
  let message: string | null = null;
  try {
    message = errorMessage(JSON.parse(body));
  } catch {
    // Not JSON: a proxy's page, perhaps; the status has to do.
  }
  message ??= `The server answered ${response.status} ${response.statusText}`.trim();
  throw new ApiError(message, response.status);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** A model to chat with, and what the server tells of it. */
export interface Model {
  id: string;
  context_tokens?: number;
  parameter_count?: number;
}

/** Reads the answer of /v1/models; models that only embed or rank are left out. */
export function parseModels(body: unknown): Model[] {
  const data = field(body, 'data');
  if (!Array.isArray(data)) throw new ApiError('The server sent a list of models that can not be read', 0);
  const models: Model[] = [];
  for (const entry of data) {
    const id = field(entry, 'id');
    const kind = field(entry, 'kind');
    if (typeof id !== 'string' || (kind !== undefined && kind !== 'decoder')) continue;
    const model: Model = { id };
    const context = numberOf(field(entry, 'max_model_len'));
    const parameters = numberOf(field(entry, 'parameter_count'));
    if (context !== undefined) model.context_tokens = context;
    if (parameters !== undefined) model.parameter_count = parameters;
    models.push(model);
  }
  if (models.length === 0) throw new ApiError('This server offers no model to chat with', 0);
  return models;
}

/** The models that the server offers, in its order. */
export async function listModels(apiKey: string): Promise<Model[]> {
  const response = await request('/v1/models', {}, apiKey);
  return parseModels(await response.json().catch(() => null));
}

/** What the server counts. */
export async function readMetrics(apiKey: string): Promise<Metrics> {
  const response = await request('/metrics', {}, apiKey);
  return parseMetrics(await response.text());
}

/**
 * Streams one answer, giving events to `onEvent` as they come; resolves when the answer is complete.
 * Throws ApiError when it failed or was cut off, and the browser's AbortError when `signal` stopped it.
 */
export async function streamChat(
  body: Record<string, unknown>,
  apiKey: string,
  signal: AbortSignal,
  onEvent: (event: ChatEvent) => void,
): Promise<void> {
  const init = { method: 'POST', body: JSON.stringify(body), signal };
  const response = await request('/v1/chat/completions', init, apiKey);
  if (response.body === null) throw new ApiError('The server sent an empty answer', response.status);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  let finished = false;
  for (;;) {
    const { done, value } = await reader.read().catch((error: unknown) => {
      if (isAbort(error)) throw error;
      throw new ApiError('The connection broke before the answer was complete', 0);
    });
    if (done) break;
    for (const data of parser.push(decoder.decode(value, { stream: true }))) {
      if (data === '[DONE]') return;
      for (const event of parseChatChunk(data)) {
        finished ||= event.kind === 'finish';
        onEvent(event);
      }
    }
  }
  if (!finished) throw new ApiError('The server closed the connection before the answer was complete', 0);
}
