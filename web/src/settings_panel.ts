/** The panel of sampling settings, system prompt and API key. */

import { element, iconButton } from './dom';
import { defaultSettings, kNumberFields, NumberField, parseNumber, Settings } from './settings';

export interface SettingsActions {
  change(settings: Settings): void;
  forgetKey(): void;
  close(): void;
}

export class SettingsPanel {
  readonly root: HTMLElement;
  private readonly fields = element('div', { class: 'fields' });
  private readonly key = element('div', { class: 'field' });

  constructor(
    private settings: Settings,
    private readonly actions: SettingsActions,
  ) {
    const reset = element(
      'button',
      { class: 'button', attributes: { type: 'button' }, on: { click: () => this.reset() } },
      'Reset to defaults',
    );
    this.root = element(
      'aside',
      { class: 'panel settings', attributes: { id: 'settings', 'aria-label': 'Settings' } },
      element(
        'div',
        { class: 'panel-title' },
        element('h2', {}, 'Settings'),
        iconButton('close', 'Close the settings', () => actions.close()),
      ),
      this.fields,
      this.key,
      reset,
      element('p', { class: 'hint' }, 'An empty number leaves the choice to the model’s own defaults.'),
    );
    this.draw();
  }

  /** The key itself is never shown again. */
  showKey(hasKey: boolean): void {
    const forget = element(
      'button',
      { class: 'button', attributes: { type: 'button' }, on: { click: () => this.actions.forgetKey() } },
      'Forget the key',
    );
    this.key.replaceChildren(...(hasKey ? [element('span', { class: 'label' }, 'API key'), forget] : []));
    this.key.hidden = !hasKey;
  }

  private reset(): void {
    this.settings = defaultSettings();
    this.draw();
    this.actions.change(this.settings);
  }

  private set(change: Partial<Settings>): void {
    this.settings = { ...this.settings, ...change };
    this.actions.change(this.settings);
  }

  private draw(): void {
    this.fields.replaceChildren(
      this.textField('system', 'System prompt', 'What the model is told before the conversation.', 4),
      ...kNumberFields.map((field) => this.numberField(field)),
      this.textField('stop', 'Stop strings', 'One a line; \\n stands for a line end.', 2),
    );
  }

  private textField(name: 'system' | 'stop', label: string, hint: string, rows: number): HTMLElement {
    const id = `setting-${name}`;
    const area = element('textarea', {
      attributes: { id, rows, 'aria-describedby': `${id}-hint`, spellcheck: 'false' },
    });
    area.value = this.settings[name];
    area.addEventListener('input', () => this.set({ [name]: area.value }));
    return element(
      'div',
      { class: 'field' },
      element('label', { class: 'label', attributes: { for: id } }, label),
      area,
      element('p', { class: 'hint', attributes: { id: `${id}-hint` } }, hint),
    );
  }

  private numberField(field: NumberField): HTMLElement {
    const id = `setting-${field.name}`;
    const { min, max, step } = field;
    const number = element('input', {
      attributes: {
        id,
        type: 'number',
        min,
        max,
        step: field.slider ? 'any' : step,
        inputmode: 'decimal',
        placeholder: field.name === 'seed' ? 'random' : 'default',
        'aria-describedby': `${id}-hint`,
      },
    });
    const label = element('label', { class: 'label', attributes: { for: id } }, field.label);
    const slider = field.slider
      ? element('input', { attributes: { type: 'range', min, max, step, 'aria-label': field.label } })
      : null;
    const show = (value: number | null): void => {
      number.value = value === null ? '' : String(value);
      if (slider !== null) slider.value = String(value ?? field.initial ?? min);
      slider?.classList.toggle('unset', value === null);
    };
    show(this.settings[field.name]);
    number.addEventListener('input', () => {
      const value = number.validity.badInput ? undefined : parseNumber(field, number.value);
      number.setAttribute('aria-invalid', value === undefined ? 'true' : 'false');
      if (value === undefined) return;
      if (slider !== null && value !== null) slider.value = String(value);
      slider?.classList.toggle('unset', value === null);
      this.set({ [field.name]: value });
    });
    // What is out of range goes back to the value that holds.
    number.addEventListener('change', () => {
      number.setAttribute('aria-invalid', 'false');
      show(this.settings[field.name]);
    });
    slider?.addEventListener('input', () => {
      show(Number(slider.value));
      this.set({ [field.name]: Number(slider.value) });
    });
    return element(
      'div',
      { class: 'field' },
      element('div', { class: 'number' }, label, number),
      slider,
      element('p', { class: 'hint', attributes: { id: `${id}-hint` } }, field.hint),
    );
  }
}
