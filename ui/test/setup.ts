/** What JupyterLab's packages expect of a browser and jsdom does not have. */
import 'fake-indexeddb/auto';

class NoDragEvent extends Event {}

Object.assign(globalThis, {
  DragEvent: NoDragEvent,
  ResizeObserver: class {
    observe(): void {}
    unobserve(): void {}
    disconnect(): void {}
  }
});

Object.assign(window, {
  matchMedia: (media: string) => ({
    media,
    matches: false,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
    addListener: () => undefined,
    removeListener: () => undefined
  })
});
