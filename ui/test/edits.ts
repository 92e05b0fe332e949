/** What people, kernels and extensions do to a notebook, at random. */
import type { YCodeCell, YNotebook } from '@jupyter/ydoc';
import fc from 'fast-check';

import type { Json } from './referenceserver';

type Output = ReturnType<YCodeCell['getOutputs']>[number];

/** One thing that is done; positions are taken modulo what there is. */
export type Act = (model: YNotebook) => void;

export interface INamedAct {
  name: string;
  act: Act;
}

const place = fc.nat(1_000);
const text = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('😀', '\ud83d', '\ude00', 'a\r\nb', '\n', '数据', 'é', '\0'),
  fc.nat(3).map(n => 'line of source\n'.repeat(400 * n + 80)),
  fc.constantFrom('x = 1  # ten thousand lines\n'.repeat(10_000))
);
const small = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.string({ maxLength: 5 }),
  fc.constant({ nested: [1, { deep: 'x'.repeat(1_100) }] })
) as fc.Arbitrary<Json>;
const output: fc.Arbitrary<Output> = fc.oneof(
  text.map(one => stream(one)),
  text.map(
    one =>
      ({
        output_type: 'display_data',
        data: { 'text/plain': one, 'image/png': 'iVBO'.repeat(300) },
        metadata: {}
      }) as Output
  ),
  fc.constant({
    output_type: 'error',
    ename: 'E',
    evalue: 'v',
    traceback: ['t'.repeat(1_500), 'u']
  } as Output)
);

function stream(one: string): Output {
  return { output_type: 'stream', name: 'stdout', text: one } as Output;
}

function cellAt(model: YNotebook, at: number) {
  return model.cells.length === 0 ? null : model.cells[at % model.cells.length];
}

function codeAt(model: YNotebook, at: number): YCodeCell | null {
  const cells = model.cells.filter(one => one.cell_type === 'code');
  return (cells[at % cells.length] as YCodeCell | undefined) ?? null;
}

function named(name: string, acts: fc.Arbitrary<Act>): fc.Arbitrary<INamedAct> {
  // fast-check shows a counterexample by these names.
  return acts.map(act => ({ name, act, [fc.toStringMethod]: () => name }));
}

const typing = fc
  .tuple(place, place, fc.nat(5), text)
  .map(([cell, at, gone, more]): Act => model => {
    const found = cellAt(model, cell);
    if (found) {
      const { length } = found.getSource();
      const start = at % (length + 1);
      found.updateSource(start, Math.min(length, start + gone), more);
    }
  });

const replacing = fc.tuple(place, text).map(
  ([cell, source]): Act =>
    model =>
      cellAt(model, cell)?.setSource(source)
);

const types = fc.constantFrom('code', 'markdown', 'raw');

const adding = fc
  .tuple(place, types, text)
  .map(([at, cell_type, source]): Act => model => {
    model.insertCell(at % (model.cells.length + 1), { cell_type, source });
  });

const pasting = fc.tuple(place, place).map(([at, from]): Act => model => {
  const found = cellAt(model, from);
  if (found) {
    model.insertCell(at % (model.cells.length + 1), found.toJSON() as never);
  }
});

const moving = fc
  .tuple(place, place, fc.nat(2))
  .map(([from, to, count]): Act => model => {
    const { length } = model.cells;
    if (length > 1) {
      const start = from % length;
      const most = Math.min(count + 1, length - start);
      const target = to % (length - most + 1);
      model.moveCells(start, start > target ? target : target + most - 1, most);
    }
  });

const deleting = fc.tuple(place, fc.nat(2)).map(([at, count]): Act => model => {
  if (model.cells.length > 0) {
    const start = at % model.cells.length;
    model.deleteCellRange(
      start,
      Math.min(start + count + 1, model.cells.length)
    );
  }
});

const retyping = fc.tuple(place, types).map(([at, type]): Act => model => {
  // As JupyterLab's changeCellType does: another cell with the same id.
  if (model.cells.length > 0) {
    const index = at % model.cells.length;
    const { id, source, metadata } = model.cells[index].toJSON();
    model.transact(() => {
      model.deleteCell(index);
      model.insertCell(index, {
        cell_type: type,
        id,
        source,
        metadata
      } as never);
    });
  }
});

const describing = fc
  .tuple(place, fc.constantFrom('a', 'b', 'tags'), small, fc.boolean())
  .map(([at, key, value, isGone]): Act => model => {
    const cell = cellAt(model, at);
    if (isGone) {
      cell?.deleteMetadata(key);
    } else {
      cell?.setMetadata(key, value as never);
    }
  });

const describingAll = fc
  .tuple(fc.constantFrom('title', 'authors'), small, fc.boolean())
  .map(([key, value, isGone]): Act => model => {
    if (isGone) {
      model.deleteMetadata(key);
    } else {
      model.setMetadata(key, value as never);
    }
  });

const attaching = fc
  .tuple(place, fc.option(text))
  .map(([at, one]): Act => model => {
    const cell = cellAt(model, at);
    if (cell && cell.cell_type !== 'code') {
      const set = cell as unknown as {
        setAttachments(value: object | undefined): void;
      };
      set.setAttachments(
        one === null ? undefined : { f: { 'image/png': one } }
      );
    }
  });

const settingOutputs = fc.tuple(place, fc.array(output, { maxLength: 4 })).map(
  ([at, outputs]): Act =>
    model =>
      codeAt(model, at)?.setOutputs(outputs)
);

const updatingOutputs = fc
  .tuple(place, place, fc.nat(2), fc.array(output, { maxLength: 3 }))
  .map(([at, from, count, outputs]): Act => model => {
    const cell = codeAt(model, at);
    if (cell) {
      const { length } = cell.getOutputs();
      const start = from % (length + 1);
      cell.updateOutputs(start, Math.min(length, start + count), outputs);
    }
  });

const streaming = fc
  .tuple(place, place, fc.array(text, { minLength: 1, maxLength: 3 }))
  .map(([at, which, texts]): Act => model => {
    const cell = codeAt(model, at);
    const streams = (cell?.getOutputs() ?? []).flatMap((one, index) =>
      one.output_type === 'stream' ? [index] : []
    );
    if (cell && streams.length > 0) {
      const index = streams[which % streams.length];
      texts.forEach(one => cell.appendStreamOutput(index, one));
    } else {
      cell?.updateOutputs(0, 0, [stream('begun\n')]);
    }
  });

const unstreaming = fc
  .tuple(place, fc.nat(20))
  .map(([at, from]): Act => model => {
    const cell = codeAt(model, at);
    const outputs = cell?.getOutputs() ?? [];
    const index = outputs.findIndex(one => one.output_type === 'stream');
    if (cell && index >= 0) {
      const { length } = String(outputs[index].text);
      cell.removeStreamOutput(index, Math.min(from, length));
    }
  });

const clearing = place.map(
  (at): Act =>
    model =>
      codeAt(model, at)?.clearOutputs(null)
);

const counting = fc
  .tuple(place, fc.option(fc.integer({ min: 1, max: 99 })))
  .map(([at, count]): Act => model => {
    const cell = codeAt(model, at);
    if (cell) {
      cell.execution_count = count;
    }
  });

const trusting = fc.tuple(place, fc.boolean()).map(
  ([at, is]): Act =>
    model =>
      cellAt(model, at)?.setMetadata('trusted', is)
);

export const edit: fc.Arbitrary<INamedAct> = fc.oneof(
  { weight: 6, arbitrary: named('type', typing) },
  named('replace', replacing),
  named('add', adding),
  named('paste', pasting),
  named('move', moving),
  named('delete', deleting),
  named('change type', retyping),
  named(
    'undo',
    fc.constant((model: YNotebook) => void model.undo())
  ),
  named(
    'redo',
    fc.constant((model: YNotebook) => void model.redo())
  ),
  named('metadata', describing),
  named('notebook metadata', describingAll),
  named('attach', attaching),
  named('set outputs', settingOutputs),
  named('update outputs', updatingOutputs),
  { weight: 3, arbitrary: named('stream', streaming) },
  named('unstream', unstreaming),
  named('clear', clearing),
  named('count', counting),
  named('trust', trusting)
);
