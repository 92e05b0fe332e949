/** What our plugins give each other. */
import { Token } from '@lumino/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { IAutosaveOptions } from './autosave';
import type { IProtection } from './contracts';
import type { AutosaveInterval } from './interval';
import type { OpenNotebooks } from './opennotebooks';

export interface IIndelible {
  readonly protection: IProtection;
  readonly notebooks: OpenNotebooks;
  readonly interval: AutosaveInterval;
  /** When to save besides the timer; changes with the settings. */
  readonly events: IAutosaveOptions;
  readonly mode: 'full' | 'record';
  readonly trans: TranslationBundle;
}

export const IIndelible = new Token<IIndelible>(
  'indelible:IIndelible',
  'Protection of the notebooks that are open in this page.'
);
