/** The page: holds the state, and ties server, storage and views together. */

import { ActivityPanel } from './activity_panel';
import { ApiError, listModels, Model } from './api';
import { Composer } from './composer';
import { element, iconButton } from './dom';
import { Generation } from './generation';
import { footerText, welcomeNodes } from './model_note';
import { loadSettings, saveSettings, Settings } from './settings';
import { SettingsPanel } from './settings_panel';
import { Sidebar } from './sidebar';
import { modelDetails } from './stats';
import { Conversation, ConversationStore, KeyValueStore, newId } from './store';
import { Theme } from './theme';
import { Toast } from './toast';
import { Transcript } from './transcript';

const kKeyKey = 'kedge.api_key';
const kModelKey = 'kedge.model';
/** An answer that is being written is saved this often, so that a reload loses little. */
const kSaveMs = 1000;
const kWide = window.matchMedia('(min-width: 1100px)');

type PanelName = 'sidebar' | 'settings' | 'activity';

export class App {
  private readonly store: ConversationStore;
  private settings: Settings;
  private models: Model[] = [];
  private model = '';
  private current: Conversation = this.emptyConversation();
  private generation: Generation | null = null;
  private savedMs = 0;
  private full = false;
  private readonly removed = new Set<string>();

  private readonly transcript = new Transcript({
    edit: (text) => this.edit(text),
    regenerate: () => this.regenerate(),
  });
  private readonly composer = new Composer(
    (text) => this.ask(text),
    () => this.generation?.stop(),
  );
  private readonly sidebar = new Sidebar({
    create: () => this.open(''),
    open: (id) => this.open(id),
    remove: (id) => this.remove(id),
    close: () => this.showPanel(null),
  });
  private readonly toast = new Toast();
  private readonly status = element('div', { class: 'visually-hidden', attributes: { role: 'status' } });
  private readonly modelPlace = element('div', { class: 'model' });
  private readonly footer = element('footer', { class: 'footer' });
  private readonly panel: SettingsPanel;
  private readonly settingsButton = iconButton('settings', 'Settings', () => this.togglePanel('settings'));
  private readonly activity = new ActivityPanel(
    () => this.apiKey(),
    () => this.showPanel(null),
  );
  private readonly activityButton = iconButton('chart', 'Activity', () => this.togglePanel('activity'));
  private readonly sidebarButton = iconButton(
    'menu',
    'Conversations',
    () => this.togglePanel('sidebar'),
    'narrow-only',
  );

  constructor(
    private readonly root: HTMLElement,
    private readonly storage: KeyValueStore,
  ) {
    this.store = new ConversationStore(storage);
    this.settings = loadSettings(storage);
    this.panel = new SettingsPanel(this.settings, {
      change: (settings) => {
        this.settings = settings;
        saveSettings(storage, settings);
      },
      forgetKey: () => this.setKey(''),
      close: () => this.showPanel(null),
    });
    this.build();
    this.listen();
    this.openFromAddress();
    void this.loadModels();
  }

  private build(): void {
    const themeButton = iconButton('auto', 'Theme', () => undefined);
    new Theme(this.storage, themeButton);
    this.sidebarButton.setAttribute('aria-controls', 'sidebar');
    this.settingsButton.setAttribute('aria-controls', 'settings');
    this.activityButton.setAttribute('aria-controls', 'activity');
    const header = element(
      'header',
      { class: 'header' },
      this.sidebarButton,
      this.modelPlace,
      iconButton('plus', 'New chat', () => this.open(''), 'narrow-only'),
      this.activityButton,
      themeButton,
      this.settingsButton,
    );
    const bottom = element('div', { class: 'bottom' }, this.transcript.jumpButton, this.composer.root, this.footer);
    const scrim = element('div', { class: 'scrim', on: { click: () => this.showPanel(null) } });
    const chat = element('div', { class: 'chat' }, header, this.transcript.root, bottom);
    this.root.replaceChildren(this.sidebar.root, chat, scrim, this.panel.root, this.activity.root, this.toast.root, this.status);
    this.panel.showKey(this.apiKey() !== '');
    this.showPanel(null);
    this.showModel();
  }

  private listen(): void {
    window.addEventListener('hashchange', () => this.openFromAddress());
    // Chromium breaks the connection between these two; a phone's browser knows only the second.
    for (const leaving of ['beforeunload', 'pagehide']) {
      window.addEventListener(leaving, () => {
        if (this.generation === null) return;
        this.generation.stop();
        this.save();
      });
    }
    window.addEventListener('storage', (event) => this.storageChanged(event.key));
    document.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      if (this.generation !== null) this.generation.stop();
      else this.showPanel(null);
    });
  }

  // --- Models and key ---

  private apiKey(): string {
    return this.storage.getItem(kKeyKey) ?? '';
  }

  private setKey(key: string): void {
    try {
      if (key === '') this.storage.removeItem(kKeyKey);
      else this.storage.setItem(kKeyKey, key);
    } catch {
      this.toast.show('This browser’s storage is full: the key could not be kept.');
    }
    this.panel.showKey(key !== '');
  }

  private async loadModels(): Promise<boolean> {
    try {
      this.models = await listModels(this.apiKey());
    } catch (error) {
      this.showError(error as Error);
      return false;
    }
    this.transcript.clearError();
    const saved = this.storage.getItem(kModelKey) ?? '';
    this.model = this.models.some((model) => model.id === saved) ? saved : this.models[0]?.id ?? '';
    this.showModel();
    return true;
  }

  private showModel(): void {
    if (this.models.length > 1) {
      const options = this.models.map(({ id }) => {
        return element('option', { attributes: { selected: id === this.model } }, id);
      });
      const select = element('select', { attributes: { 'aria-label': 'Model' } }, ...options);
      select.addEventListener('change', () => this.chooseModel(select.value));
      this.modelPlace.replaceChildren(select);
    } else {
      this.modelPlace.replaceChildren(element('span', { class: 'model-name' }, this.model));
    }
    const current = this.models.find((model) => model.id === this.model);
    const details = current === undefined ? '' : modelDetails(current);
    this.modelPlace.append(element('span', { class: 'model-details' }, details));
    document.title = this.model === '' ? 'kedge' : `${this.model} · kedge`;
    this.footer.textContent = this.model === '' ? '' : footerText(this.model);
    this.transcript.setWelcome(...welcomeNodes(this.model, (text) => this.ask(text)));
  }

  private chooseModel(id: string): void {
    this.model = id;
    try {
      this.storage.setItem(kModelKey, id);
    } catch {
      // Full or forbidden storage: the choice holds until the page is closed.
    }
    this.showModel();
  }

  // --- Conversations ---

  private emptyConversation(): Conversation {
    return { id: newId(), title: '', updated_ms: 0, messages: [] };
  }

  private openFromAddress(): void {
    const id = window.location.hash.slice(1);
    if (id === this.current.id && id !== '') return;
    if (this.generation !== null) {
      this.generation.stop();
      this.save();
      this.generation = null;
    }
    this.current = (id === '' ? null : this.store.load(id)) ?? this.emptyConversation();
    this.transcript.show(this.current.messages);
    this.composer.setBusy(false);
    this.showList();
    this.composer.focus();
  }

  private open(id: string): void {
    if (!kWide.matches) this.showPanel(null);
    if (window.location.hash.slice(1) === id) this.openFromAddress();
    else window.location.hash = id;
  }

  private showList(): void {
    this.sidebar.show(this.store.list(), this.current.id);
  }

  private save(): void {
    const conversation = this.generation?.conversation ?? this.current;
    if (conversation.messages.length === 0 || this.removed.has(conversation.id)) return;
    this.savedMs = performance.now();
    const saved = this.store.save(conversation);
    if (!saved && !this.full) {
      const text = 'This browser’s storage is full: the conversation is not kept. Delete older ones to make room.';
      this.toast.show(text);
    }
    this.full = !saved;
  }

  private remove(id: string): void {
    const isCurrent = id === this.current.id;
    const conversation = isCurrent ? this.current : this.store.load(id);
    if (isCurrent) this.generation?.stop();
    this.removed.add(id);
    this.store.remove(id);
    if (isCurrent) this.open('');
    else this.showList();
    if (conversation === null) return;
    this.toast.show('Conversation deleted.', 'Undo', () => {
      this.removed.delete(id);
      this.store.restore(conversation);
      if (isCurrent) this.open(id);
      else this.showList();
    });
  }

  private storageChanged(key: string | null): void {
    if (!this.store.isConversationKey(key)) return;
    this.showList();
    const stored = this.generation === null ? this.store.load(this.current.id) : null;
    if (stored === null || stored.updated_ms === this.current.updated_ms) return;
    this.current = stored;
    this.transcript.show(stored.messages);
  }

  // --- Answers ---

  private ask(text: string): void {
    if (this.generation !== null) return;
    this.transcript.clearError();
    const message = { role: 'user' as const, content: text };
    this.current.messages.push(message);
    this.transcript.add(message, false);
    if (window.location.hash.slice(1) !== this.current.id) {
      window.history.replaceState(null, '', `#${this.current.id}`);
    }
    void this.answer();
  }

  private edit(text: string): void {
    if (this.generation !== null) return;
    this.dropAnswers();
    this.current.messages.pop();
    this.transcript.show(this.current.messages);
    this.ask(text);
  }

  private regenerate(): void {
    if (this.generation !== null) return;
    this.dropAnswers();
    if (this.current.messages.length === 0) return;
    this.transcript.show(this.current.messages);
    void this.answer();
  }

  private dropAnswers(): void {
    const messages = this.current.messages;
    while (messages[messages.length - 1]?.role === 'assistant') messages.pop();
  }

  /** Answers the question at the end of the conversation, once it is known which model there is to ask. */
  private async answer(): Promise<void> {
    const conversation = this.current;
    if (this.model === '' && !(await this.loadModels())) return;
    const last = conversation.messages[conversation.messages.length - 1];
    if (conversation === this.current && this.generation === null && last?.role === 'user') this.generate();
  }

  private retry(): void {
    if (this.current.messages.length > 0) this.regenerate();
    else void this.loadModels();
  }

  private generate(): void {
    const conversation = this.current;
    const generation: Generation = new Generation(conversation, this.model, this.settings, this.apiKey(), {
      changed: () => this.answerChanged(generation),
      ended: (error) => this.answerEnded(generation, error),
    });
    this.generation = generation;
    this.transcript.add(generation.message, true);
    this.composer.setBusy(true);
    this.composer.focus();
    this.status.textContent = 'The model is answering.';
    this.save();
    this.showList();
  }

  private answerChanged(generation: Generation): void {
    if (generation !== this.generation) return;
    this.transcript.updateLast();
    if (performance.now() - this.savedMs > kSaveMs) this.save();
  }

  private answerEnded(generation: Generation, error: Error | null): void {
    const { conversation, message } = generation;
    const nothing = error !== null && message.content === '';
    if (nothing) conversation.messages.pop();
    if (!this.removed.has(conversation.id)) this.store.save(conversation);
    this.showList();
    if (generation !== this.generation) return;
    this.generation = null;
    this.composer.setBusy(false);
    this.transcript.finishLast();
    if (nothing) this.transcript.removeLast();
    this.status.textContent = error === null ? 'The answer is complete.' : 'The answer failed.';
    if (error !== null) this.showError(error);
  }

  private showError(error: Error): void {
    this.transcript.showError({
      message: error.message,
      needsKey: error instanceof ApiError && error.status === 401,
      retry: () => this.retry(),
      saveKey: (key) => {
        this.setKey(key);
        this.retry();
      },
    });
  }

  // --- Panels ---

  private showPanel(name: PanelName | null): void {
    for (const [panelName, { view, button }] of Object.entries(this.panels())) {
      const open = panelName === name;
      this.root.classList.toggle(`${panelName}-open`, open);
      button.setAttribute('aria-expanded', String(open));
      if (panelName === 'activity') this.activity.show(open);
      if (open) view.querySelector<HTMLElement>('button')?.focus();
      else if (view.contains(document.activeElement) && button.offsetParent !== null) button.focus();
    }
  }

  private panels(): Record<PanelName, { view: HTMLElement; button: HTMLElement }> {
    return {
      sidebar: { view: this.sidebar.root, button: this.sidebarButton },
      settings: { view: this.panel.root, button: this.settingsButton },
      activity: { view: this.activity.root, button: this.activityButton },
    };
  }

  private togglePanel(name: PanelName): void {
    this.showPanel(this.root.classList.contains(`${name}-open`) ? null : name);
  }
}
