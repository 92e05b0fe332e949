/** The notebook's own metadata: what is in the file, and what of a change is an edit. */
import type { JSONObject } from '@lumino/coreutils';
import { JSONExt } from '@lumino/coreutils';

import type { IYMap } from './shared';
import { plain } from './shared';

/** What a starting kernel writes by itself. */
const KERNELS = ['kernelspec', 'language_info'];

export class MetaTrack {
  constructor(private readonly _ymeta: IYMap) {
    this._known = this.content();
  }

  isDirty = false;
  seq = 0;

  /** Before cells had ids. JupyterLab shows an older format as the last of these. */
  get isOldFormat(): boolean {
    const { nbformat, nbformat_minor } = this.content();
    return nbformat === 4 && (nbformat_minor as number) < 5;
  }

  get hasCellIds(): boolean {
    const major = (this._ymeta.get('nbformat') as number | undefined) ?? 4;
    const minor =
      (this._ymeta.get('nbformat_minor') as number | undefined) ?? 5;
    return major > 4 || (major === 4 && minor >= 5);
  }

  /** As the protocol has it. */
  content(): JSONObject {
    return {
      nbformat: (this._ymeta.get('nbformat') as number | undefined) ?? 4,
      nbformat_minor:
        (this._ymeta.get('nbformat_minor') as number | undefined) ?? 5,
      metadata: plain(this._ymeta.get('metadata') ?? {}) as JSONObject
    };
  }

  /** Something changed. Returns whether it is an edit; what is not goes along with the next one. */
  take(): boolean {
    const before = this._known;
    const now = this.content();
    if (JSONExt.deepEqual(before, now)) {
      return false;
    }
    this._known = now;
    this.isDirty = true;
    return (
      !JSONExt.deepEqual(withoutKernels(before), withoutKernels(now)) ||
      isOtherKernel(before, now)
    );
  }

  private _known: JSONObject;
}

function withoutKernels(content: JSONObject): JSONObject {
  const metadata = { ...(content.metadata as JSONObject) };
  KERNELS.forEach(key => delete metadata[key]);
  return { ...content, metadata };
}

/** The user took another kernel: from one that has a name to one that has another. */
function isOtherKernel(before: JSONObject, now: JSONObject): boolean {
  const names = [before, now].map(content => {
    const spec = (content.metadata as JSONObject).kernelspec as
      JSONObject | undefined;
    return spec?.name;
  });
  return names.every(name => typeof name === 'string') && names[0] !== names[1];
}
