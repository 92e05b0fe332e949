/** Start the recording half; when it cannot start, the page works without it and says so. */
import type { ServerConnection } from '@jupyterlab/services';

import type { IProtection } from './contracts';
import { NoProtection } from './noprotection';
import { Protection } from './protection';

export function startProtection(
  settings: ServerConnection.ISettings
): IProtection {
  try {
    return new Protection(settings);
  } catch (reason) {
    console.error('Indelible: edits of this page are not recorded', reason);
    return new NoProtection(reason);
  }
}
