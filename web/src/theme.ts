/** Light, dark, or what the system says. */

import { icon, IconName } from './dom';
import { KeyValueStore } from './store';

type Preference = 'auto' | 'light' | 'dark';

const kKey = 'kedge.theme';
const kOrder: readonly Preference[] = ['auto', 'light', 'dark'];
const kIcons: Record<Preference, IconName> = { auto: 'auto', light: 'sun', dark: 'moon' };
const kLabels: Record<Preference, string> = {
  auto: 'Theme: as the system',
  light: 'Theme: light',
  dark: 'Theme: dark',
};

export class Theme {
  private preference: Preference;
  private readonly systemDark = window.matchMedia('(prefers-color-scheme: dark)');

  constructor(
    private readonly storage: KeyValueStore,
    private readonly button: HTMLButtonElement,
  ) {
    const saved = storage.getItem(kKey);
    this.preference = kOrder.find((name) => name === saved) ?? 'auto';
    this.systemDark.addEventListener('change', () => this.apply());
    button.addEventListener('click', () => this.next());
    this.apply();
  }

  /** From "as the system" the first press goes to the other look, so that it always changes something. */
  private next(): void {
    if (this.preference === 'auto') this.preference = this.systemDark.matches ? 'light' : 'dark';
    else if ((this.preference === 'dark') === this.systemDark.matches) this.preference = 'auto';
    else this.preference = this.preference === 'dark' ? 'light' : 'dark';
    try {
      this.storage.setItem(kKey, this.preference);
    } catch {
      // Full or forbidden storage: it holds until the page is closed.
    }
    this.apply();
  }

  private apply(): void {
    const dark = this.preference === 'dark' || (this.preference === 'auto' && this.systemDark.matches);
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    this.button.replaceChildren(icon(kIcons[this.preference]));
    this.button.setAttribute('aria-label', kLabels[this.preference]);
    this.button.title = kLabels[this.preference];
  }
}
