/** The panel of what the server is doing: tokens per second, requests, cache, as live charts. */

import { readMetrics } from './api';
import { element, iconButton, svgElement } from './dom';
import { Activity, activityBetween, Reading, Series } from './metrics';

const kIntervalMs = 1000;
const kShown = 120; // readings: two minutes
const kWidth = 240;
const kHeight = 56;

interface ChartOptions {
  title: string;
  hint: string;
  /** The least that the top of the chart stands for. */
  least: number;
  format(value: number): string;
}

const number = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 1 : 0 });
const percent = (value: number): string => `${(value * 100).toFixed(value < 0.1 ? 1 : 0)} %`;

class Chart {
  readonly root: HTMLElement;
  private readonly series = new Series(kShown);
  private readonly value = element('span', { class: 'chart-value' }, '–');
  private readonly top = element('span', { class: 'hint' });
  private readonly line = svgElement('path', { class: 'chart-line' });
  private readonly picture: SVGSVGElement;

  constructor(private readonly options: ChartOptions) {
    this.picture = svgElement('svg', {
      viewBox: `0 0 ${kWidth} ${kHeight}`,
      class: 'chart',
      role: 'img',
      preserveAspectRatio: 'none',
    });
    this.picture.append(this.line);
    this.root = element(
      'section',
      { class: 'field', attributes: { 'aria-label': options.title } },
      element('div', { class: 'chart-head' }, element('span', { class: 'label' }, options.title), this.value),
      this.picture,
      element('div', { class: 'chart-head' }, element('span', { class: 'hint' }, options.hint), this.top),
    );
  }

  push(value: number | null): void {
    this.series.push(value);
    const { format, least, title } = this.options;
    const ceiling = this.series.ceiling(least);
    this.line.setAttribute('d', this.series.path(kWidth, kHeight, ceiling));
    this.value.textContent = value === null ? '–' : format(value);
    this.top.textContent = `top: ${format(ceiling)}`;
    this.picture.setAttribute('aria-label', `${title}: ${this.value.textContent}`);
  }
}

export class ActivityPanel {
  readonly root: HTMLElement;
  private readonly charts: [Chart, (activity: Activity) => number | null][] = [
    [new Chart({ title: 'Tokens per second', hint: 'written', least: 10, format: number }), (a) => a.tokensPerSecond],
    [
      new Chart({ title: 'Prompt tokens per second', hint: 'read', least: 10, format: number }),
      (a) => a.promptTokensPerSecond,
    ],
    [new Chart({ title: 'Requests running', hint: 'at once', least: 1, format: number }), (a) => a.running],
    [new Chart({ title: 'Requests waiting', hint: 'in the queue', least: 1, format: number }), (a) => a.waiting],
    [new Chart({ title: 'KV cache in use', hint: 'of its pages', least: 1, format: percent }), (a) => a.cacheUse],
    [
      new Chart({ title: 'Prefix cache hits', hint: 'of the prompts’ tokens', least: 1, format: percent }),
      (a) => a.prefixHits,
    ],
  ];
  private readonly trouble = element('p', { class: 'hint', attributes: { role: 'status' } });
  private timer: number | undefined;
  private before: Reading | null = null;

  constructor(
    private readonly apiKey: () => string,
    close: () => void,
  ) {
    this.root = element(
      'aside',
      { class: 'panel activity', attributes: { id: 'activity', 'aria-label': 'Activity' } },
      element(
        'div',
        { class: 'panel-title' },
        element('h2', {}, 'Activity'),
        iconButton('close', 'Close the activity', close),
      ),
      this.trouble,
      ...this.charts.map(([chart]) => chart.root),
      element('p', { class: 'hint' }, 'The last two minutes, all models and clients together, from /metrics.'),
    );
  }

  /** Reads only while somebody looks. */
  show(open: boolean): void {
    if (open === (this.timer !== undefined)) return;
    window.clearInterval(this.timer);
    this.timer = open ? window.setInterval(() => void this.read(), kIntervalMs) : undefined;
    this.before = null;
    if (open) void this.read();
  }

  private async read(): Promise<void> {
    if (document.hidden) return;
    try {
      const reading = { ms: performance.now(), metrics: await readMetrics(this.apiKey()) };
      this.trouble.textContent = '';
      if (this.before !== null && this.timer !== undefined) {
        const activity = activityBetween(this.before, reading);
        for (const [chart, value] of this.charts) chart.push(value(activity));
      }
      this.before = reading;
    } catch (error) {
      this.trouble.textContent = (error as Error).message;
    }
  }
}
