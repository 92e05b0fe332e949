/** How often notebooks are saved by themselves. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';

export const DOCMANAGER = '@jupyterlab/docmanager-extension:plugin';
export const DEFAULT_MS = 60_000;

/** setTimeout fires at once beyond this. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * The interval in ms; 0 means never. What was set in this page wins over the user's own JupyterLab setting, that
 * over the server's default, that over ours.
 */
export function chooseInterval(
  here: number | null,
  user: { autosave?: unknown; autosaveInterval?: unknown },
  server: number | null
): number {
  if (here !== null) {
    return bounded(here);
  }
  if (user.autosave === false) {
    return 0;
  }
  if (typeof user.autosaveInterval === 'number') {
    return bounded(user.autosaveInterval * 1000);
  }
  return bounded(server ?? DEFAULT_MS);
}

function bounded(ms: number): number {
  return Number.isFinite(ms) && ms > 0
    ? Math.min(Math.max(ms, 100), LONGEST_MS)
    : 0;
}

export class AutosaveInterval implements IDisposable {
  /** The interval in ms; 0 means never. */
  get ms(): number {
    return chooseInterval(this._here, this._settings?.user ?? {}, this._server);
  }

  get changed(): ISignal<AutosaveInterval, void> {
    return this._changed;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** The user's own settings of JupyterLab's document manager. They are read and never written. */
  setSettings(settings: ISettingRegistry.ISettings): void {
    this._settings = settings;
    settings.changed.connect(this._onChanged, this);
    this._onChanged();
  }

  /** For this page only: from the console, or %autosave. */
  setHere(ms: number): void {
    this._here = ms;
    this._onChanged();
  }

  setServer(ms: number | null): void {
    this._server = ms;
    this._onChanged();
  }

  dispose(): void {
    this._isDisposed = true;
    this._settings?.changed.disconnect(this._onChanged, this);
    Signal.clearData(this);
  }

  private _onChanged(): void {
    if (this.ms !== this._last) {
      this._last = this.ms;
      this._changed.emit();
    }
  }

  private _changed = new Signal<AutosaveInterval, void>(this);
  private _here: number | null = null;
  private _isDisposed = false;
  private _last = DEFAULT_MS;
  private _server: number | null = null;
  private _settings: ISettingRegistry.ISettings | null = null;
}
