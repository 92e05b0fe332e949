/** Reading settings that may come late. */
import type { ISettingRegistry } from '@jupyterlab/settingregistry';

const AGAIN_MS = 2_000;
const TRIES = 30;

/**
 * The settings of a plugin, when they can be read: the registry gives up when the extension that completes them needs
 * more than a second to start, as on a busy machine. Rejects when there are none after a minute.
 */
export async function loadSettings(
  registry: ISettingRegistry,
  id: string
): Promise<ISettingRegistry.ISettings> {
  for (let tries = 1; ; tries++) {
    try {
      return await registry.load(id);
    } catch (reason) {
      if (tries === TRIES) {
        throw reason;
      }
      await new Promise(resolve => window.setTimeout(resolve, AGAIN_MS));
    }
  }
}
