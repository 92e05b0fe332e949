/**
 * One save of a notebook at a time. Jupyter compares the file's hash and then writes it; of two saves at once, Ctrl+S
 * beside the timer, the later finds the file of the earlier and asks whether to overwrite it.
 */
export function queueSaves(context: { save(): Promise<void> }): void {
  const save = context.save.bind(context);
  let last: Promise<void> = Promise.resolve();
  context.save = () => {
    last = last.then(
      () => save(),
      () => save()
    );
    return last;
  };
}
