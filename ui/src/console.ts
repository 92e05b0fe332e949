/**
 * `Jupyter.notebook.set_autosave_interval(ms)` in the browser's console, `%autosave` in a cell.
 *
 * The names are bound lexically, by `const` in a classic script: the console sees them, and `window.Jupyter` does
 * not come to be, for which Bokeh and others look to tell whether they run in the notebook of 2015.
 */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { KernelMessage } from '@jupyterlab/services';

import type { AutosaveInterval } from './interval';

declare const Jupyter: unknown;
declare const IPython: unknown;

export interface ILegacyNotebook {
  readonly notebook: {
    get_autosave_interval(): number;
    set_autosave_interval(ms: number): void;
  };
}

type Bridge = HTMLScriptElement & { indelible?: ILegacyNotebook };

/**
 * Whether a call came from the browser's console. JavaScript of an output is run by the host's scripts, whose
 * addresses are then in the stack; a stored output runs again each time that it is rendered and must not count.
 */
export function isFromConsole(stack: string, own: string): boolean {
  const frames = stack.split('\n').slice(own ? 1 : 0);
  const callers = frames.filter(frame => !own || !frame.includes(own));
  return !callers.some(frame =>
    /(?:https?|file|blob|webpack(?:-internal)?):/.test(frame)
  );
}

/** The address of the script whose frame is the first in a stack. */
function firstAddress(stack: string): string {
  return /((?:https?|file|blob):[^\s)]+?)(?::\d+)*\)?$/m.exec(stack)?.[1] ?? '';
}

/** Bind the two names, unless the page has them already. */
export function bindLegacyNames(interval: AutosaveInterval): void {
  const notebook = {
    get_autosave_interval: () => interval.ms,
    set_autosave_interval: (ms: number): void => {
      const stack = new Error().stack ?? '';
      if (!isFromConsole(stack, firstAddress(stack))) {
        return;
      }
      const wanted = Number(ms);
      if (!Number.isFinite(wanted) || wanted < 0) {
        throw new RangeError(
          'set_autosave_interval takes milliseconds; 0 switches autosave off'
        );
      }
      interval.setHere(wanted);
    }
  };
  const names = [
    typeof Jupyter === 'undefined' ? 'Jupyter' : '',
    typeof IPython === 'undefined' ? 'IPython' : ''
  ].filter(Boolean);
  if (names.length === 0) {
    return;
  }
  const script: Bridge = document.createElement('script');
  script.indelible = Object.freeze({ notebook: Object.freeze(notebook) });
  script.textContent = names
    .map(name => `const ${name} = document.currentScript.indelible;`)
    .join('\n');
  document.head.append(script);
  script.remove();
}

const CALL =
  /\b(?:IPython|Jupyter)\.notebook\.set_autosave_interval\(\s*(\d+)\s*\)/;

/** The interval that a fresh execution of this page asks for, in ms; null when the message does not ask. */
export function askedInterval(
  message: KernelMessage.IMessage,
  client: string | undefined
): number | null {
  const { header, content, parent_header: parent } = message;
  if (
    header.msg_type !== 'display_data' &&
    header.msg_type !== 'execute_result'
  ) {
    return null;
  }
  if (!client || (parent as { session?: string }).session !== client) {
    return null; // another page's execution
  }
  const { data } = content as { data?: Record<string, unknown> };
  const code = data?.['application/javascript'];
  const text = Array.isArray(code) ? code.join('') : code;
  const call = typeof text === 'string' ? CALL.exec(text) : null;
  return call ? Number(call[1]) : null;
}

/** Honour `%autosave`: read from the kernel's messages as they arrive, never from a stored output. */
export function followAutosaveMagic(
  session: ISessionContext,
  interval: AutosaveInterval
): void {
  const onMessage = (
    sender: ISessionContext,
    message: KernelMessage.IMessage
  ): void => {
    const asked = askedInterval(message, sender.session?.kernel?.clientId);
    if (asked !== null) {
      interval.setHere(asked);
    }
  };
  // The session context drops its listeners when it is disposed.
  session.iopubMessage.connect(onMessage);
}
