import { App } from './app';
import { KeyValueStore } from './store';

/** The browser's storage, or one that lasts as long as the page where the browser forbids it. */
function browserStorage(): KeyValueStore {
  try {
    window.localStorage.getItem('kedge.settings');
    return window.localStorage;
  } catch {
    const entries = new Map<string, string>();
    return {
      get length() {
        return entries.size;
      },
      key: (index) => [...entries.keys()][index] ?? null,
      getItem: (key) => entries.get(key) ?? null,
      setItem: (key, value) => void entries.set(key, value),
      removeItem: (key) => void entries.delete(key),
    };
  }
}

new App(document.getElementById('app') as HTMLElement, browserStorage());
