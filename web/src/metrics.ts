/** The server's /metrics, and what two readings of them a moment apart tell. Knows no browser. */

/** Counters and gauges by name, a value for each model. */
export type Metrics = Map<string, number[]>;

/** Reads Prometheus's text form; what can not be read is left out. */
export function parseMetrics(text: string): Metrics {
  const metrics: Metrics = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const match = /^([A-Za-z_:][\w:]*)(?:\{.*\})? (\S+)(?: \d+)?$/.exec(line);
    const value = Number(match?.[2]);
    const name = match?.[1];
    if (name === undefined || !Number.isFinite(value)) continue;
    metrics.set(name, [...(metrics.get(name) ?? []), value]);
  }
  return metrics;
}

function sum(metrics: Metrics, name: string): number {
  return (metrics.get(name) ?? []).reduce((total, value) => total + value, 0);
}

export interface Reading {
  ms: number;
  metrics: Metrics;
}

/** One moment of the server's work; null: nothing happened that it could be told from. */
export interface Activity {
  tokensPerSecond: number;
  promptTokensPerSecond: number;
  running: number;
  waiting: number;
  /** Shares between 0 and 1. */
  cacheUse: number;
  prefixHits: number | null;
}

/** What happened between two readings. A counter that fell (a new server) counts from 0. */
export function activityBetween(before: Reading, after: Reading): Activity {
  const seconds = Math.max((after.ms - before.ms) / 1000, 1e-3);
  const now = (name: string): number => sum(after.metrics, name);
  const grown = (name: string): number => {
    const growth = now(name) - sum(before.metrics, name);
    return growth < 0 ? now(name) : growth;
  };
  const asked = grown('prefix_cache_queries_total');
  const models = Math.max(after.metrics.get('vllm:kv_cache_usage_perc')?.length ?? 0, 1);
  return {
    tokensPerSecond: grown('generation_tokens_total') / seconds,
    promptTokensPerSecond: grown('prompt_tokens_total') / seconds,
    running: now('num_requests_running'),
    waiting: now('num_requests_waiting'),
    cacheUse: Math.min(now('vllm:kv_cache_usage_perc') / models, 1),
    prefixHits: asked > 0 ? Math.min(grown('prefix_cache_hits_total') / asked, 1) : null,
  };
}

/** The last values of one quantity, the newest last. */
export class Series {
  private readonly values: (number | null)[] = [];

  constructor(private readonly size: number) {}

  push(value: number | null): void {
    this.values.push(value);
    if (this.values.length > this.size) this.values.shift();
  }

  last(): number | null {
    return this.values[this.values.length - 1] ?? null;
  }

  /** A round number that no value is above; at least `least`. */
  ceiling(least: number): number {
    const most = Math.max(least, ...this.values.map((value) => value ?? 0));
    const scale = 10 ** Math.floor(Math.log10(most));
    return [1, 2, 5, 10].map((step) => step * scale).find((step) => step >= most) ?? most;
  }

  /**
   * An SVG path through the values, the newest at the right edge of a box of this width and height, `ceiling` at its
   * top. Gaps where nothing is known.
   */
  path(width: number, height: number, ceiling: number): string {
    const step = width / (this.size - 1);
    const first = this.size - this.values.length;
    let path = '';
    let joined = false;
    this.values.forEach((value, i) => {
      if (value === null) {
        joined = false;
        return;
      }
      const x = ((first + i) * step).toFixed(1);
      const y = (height - (height * Math.min(value, ceiling)) / ceiling).toFixed(1);
      path += `${joined ? 'L' : 'M'}${x} ${y}`;
      joined = true;
    });
    return path;
  }
}
