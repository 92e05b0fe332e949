/** JSON values with their long strings lifted out, as the protocol has them. */
import type { JSONObject, JSONValue } from '@lumino/coreutils';

import type { IChunk } from './chunker';
import type { IValue, Path, WholeText } from './protocol';
import { SHORT, wholeForm } from './texttrack';

function isObject(value: JSONValue): value is JSONObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The value with each long string replaced by null, and the strings with their places. Copies only what it changes. */
function lifted(
  value: JSONValue,
  path: Path,
  found: [Path, string][]
): JSONValue {
  if (typeof value === 'string') {
    if (value.length > SHORT) {
      found.push([path, value]);
      return null;
    }
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((one, index) => lifted(one, [...path, index], found));
  }
  if (isObject(value)) {
    const copy: JSONObject = {};
    for (const [name, one] of Object.entries(value)) {
      if (one !== undefined) {
        copy[name] = lifted(one as JSONValue, [...path, name], found);
      }
    }
    return copy;
  }
  return value;
}

/** A value in its form on the wire, and the chunks it names. `inlineBelow`: longer strings become chunks. */
export function valueForm(
  value: JSONValue,
  inlineBelow?: number
): { form: IValue; chunks: IChunk[] } {
  const found: [Path, string][] = [];
  const json = lifted(value, [], found);
  const chunks: IChunk[] = [];
  const long = found.map(([path, text]): [Path, WholeText] => {
    const sent = wholeForm(text, null, inlineBelow);
    chunks.push(...sent.chunks);
    return [path, sent.form];
  });
  return { form: long.length > 0 ? { json, long } : { json }, chunks };
}
