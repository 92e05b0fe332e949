/** When to save besides the timer: the user's setting if there is one, else the server's default. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import type { IAutosaveOptions } from './autosave';
import type { IProtection } from './contracts';
import { loadSettings } from './settings';

export class AutosaveEvents implements IAutosaveOptions {
  get saveOnBlur(): boolean {
    return this._choose('saveOnBlur', this._protection?.hello?.save_on_blur);
  }

  get saveAfterRun(): boolean {
    return this._choose(
      'saveAfterRun',
      this._protection?.hello?.save_after_run
    );
  }

  /** Take the values from there from now on. */
  follow(
    protection: IProtection,
    registry: ISettingRegistry | null,
    id: string
  ): void {
    this._protection = protection;
    if (registry) {
      loadSettings(registry, id).then(
        settings => {
          this._settings = settings;
        },
        reason =>
          console.warn('Indelible: its settings could not be read', reason)
      );
    }
  }

  private _choose(name: string, server: boolean | undefined): boolean {
    const own = this._settings?.user[name];
    return typeof own === 'boolean' ? own : (server ?? false);
  }

  private _protection: IProtection | null = null;
  private _settings: ISettingRegistry.ISettings | null = null;
}
