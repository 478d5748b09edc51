// Goal: the charts show what /metrics says.
// Method: readings as the server writes them, a moment apart, and one that can not be read.
import { deepEqual, equal } from 'node:assert/strict';
import { test } from 'node:test';
import { activityBetween, parseMetrics, Series } from '../src/metrics';

const kText =
  '# HELP num_requests_running Requests.\n# TYPE num_requests_running gauge\n' +
  'num_requests_running{model_name="a"} 2\nnum_requests_running{model_name="b"} 3\n' +
  'generation_tokens_total{model_name="a"} 100\nkedge_step_seconds_bucket{model_name="a",le="+Inf"} 7\n' +
  'x{label="with } and space"} 1.5e3\nbroken line here\nnan_value NaN\n';

test('metrics: a value a model, other lines left out', () => {
  const metrics = parseMetrics(kText);
  deepEqual(metrics.get('num_requests_running'), [2, 3]);
  deepEqual(metrics.get('generation_tokens_total'), [100]);
  deepEqual(metrics.get('x'), [1500]);
  deepEqual([metrics.has('broken'), metrics.has('nan_value')], [false, false]);
});

test('metrics: rates are of the time between two readings', () => {
  const before = { ms: 1000, metrics: new Map([['generation_tokens_total', [60, 40]], ['prefix_cache_queries_total', [10]]]) };
  const after = {
    ms: 3000,
    metrics: new Map([
      ['generation_tokens_total', [70, 80]],
      ['prefix_cache_queries_total', [50]],
      ['prefix_cache_hits_total', [30]],
      ['num_requests_waiting', [4]],
      ['vllm:kv_cache_usage_perc', [0.25, 0.75]],
    ]),
  };
  const activity = activityBetween(before, after);
  equal(activity.tokensPerSecond, 25);
  equal(activity.prefixHits, 0.75);
  equal(activity.waiting, 4);
  equal(activity.cacheUse, 0.5);
  equal(activityBetween(after, { ...after, ms: 4000 }).prefixHits, null);
});

test('metrics: a server that began anew counts from 0', () => {
  const reading = (ms: number, tokens: number) => ({ ms, metrics: new Map([['generation_tokens_total', [tokens]]]) });
  equal(activityBetween(reading(0, 500), reading(1000, 20)).tokensPerSecond, 20);
});

test('series: a line ends at the right edge and stops where nothing is known', () => {
  const series = new Series(3);
  for (const value of [9, 1, null, 2]) series.push(value);
  equal(series.path(20, 10, 2), 'M0.0 5.0M20.0 0.0');
  equal(series.last(), 2);
  equal(series.ceiling(1), 2);
  series.push(430);
  equal(series.ceiling(1), 500);
});
