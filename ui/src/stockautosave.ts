/** JupyterLab's own autosave is kept from notebooks that are ours; text files keep it. */
import { SaveHandler } from '@jupyterlab/docmanager';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import { DisposableDelegate, type IDisposable } from '@lumino/disposable';

/**
 * Setting docManager.autosave would write the user's settings and stop text files' autosave too. A save handler
 * that never starts does neither.
 */
export function silenceStockAutosave(
  isOurs: (context: DocumentRegistry.Context) => boolean
): IDisposable {
  const { start } = SaveHandler.prototype;
  SaveHandler.prototype.start = function (this: SaveHandler): void {
    const { _context } = this as unknown as {
      _context?: DocumentRegistry.Context;
    };
    if (!_context || !isOurs(_context)) {
      start.call(this);
    }
  };
  return new DisposableDelegate(() => {
    SaveHandler.prototype.start = start;
  });
}
