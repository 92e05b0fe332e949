/** What the recorder uses of Yjs' types, by shape: Yjs itself is the host's and is not bundled. */
import type { JSONValue } from '@lumino/coreutils';

export interface IDelta {
  insert?: string | unknown[];
  delete?: number;
  retain?: number;
}

export interface IYEvent {
  readonly target: unknown;
  readonly path: (string | number)[];
  readonly keysChanged?: Set<string>;
  readonly changes: { readonly delta: IDelta[] };
}

export interface IYText {
  readonly length: number;
  toString(): string;
}

export interface IYMap {
  get(key: string): unknown;
  has(key: string): boolean;
  toJSON(): Record<string, JSONValue>;
}

export interface IYArray {
  readonly length: number;
  get(index: number): unknown;
  toArray(): unknown[];
}

export interface IObservable {
  observeDeep(callback: (events: IYEvent[]) => void): void;
  unobserveDeep(callback: (events: IYEvent[]) => void): void;
}

/** The parts of a YNotebook that hold its content. */
export interface IYDocument {
  readonly cells: IYArray & IObservable;
  readonly meta: IYMap & IObservable;
}

/** A plain value of something that may be a Yjs type or a plain value already. */
export function plain(value: unknown): JSONValue {
  if (value !== null && typeof value === 'object' && 'toJSON' in value) {
    return (value as { toJSON(): JSONValue }).toJSON();
  }
  return value as JSONValue;
}

/** Whether it is a Y.Text: then it can grow in place. */
export function isYText(value: unknown): value is IYText {
  return value !== null && typeof value === 'object' && 'toDelta' in value;
}

/** The delta of a text as splices, each in terms of the text that the ones before it leave. */
export function splicesOf(
  delta: readonly IDelta[]
): [number, number, string][] {
  const splices: [number, number, string][] = [];
  let position = 0;
  for (const step of delta) {
    if (typeof step.insert === 'string') {
      splices.push([position, 0, step.insert]);
      position += step.insert.length;
    } else if (step.delete) {
      splices.push([position, step.delete, '']);
    } else {
      position += step.retain ?? 0;
    }
  }
  return splices;
}
