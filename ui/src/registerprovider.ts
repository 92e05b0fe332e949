/** Make our provider the one that notebooks are read and written through. */
import type { NotebookWidgetFactory } from '@jupyterlab/notebook';
import {
  RestContentProvider,
  type Contents,
  type IContentProvider,
  type IContentProviderRegistry
} from '@jupyterlab/services';

import { chooseSides } from './conflict';
import { FileChanges } from './filechanges';
import { IndelibleProvider, PROVIDER_ID } from './provider';
import type { IIndelible } from './tokens';

const API_ENDPOINT = 'api/contents';

/**
 * A notebook on another drive names our provider too, and a drive throws at a name that it does not know: let such
 * a drive take its own way.
 */
function allowOtherDrives(registry: IContentProviderRegistry): void {
  const prototype = Object.getPrototypeOf(registry) as IContentProviderRegistry;
  const { getProvider } = prototype;
  prototype.getProvider = function (
    this: IContentProviderRegistry,
    identifier?: string
  ) {
    if (identifier === PROVIDER_ID && this !== registry) {
      return getProvider.call(this, undefined);
    }
    return getProvider.call(this, identifier);
  };
}

function registryOf(drive: Contents.IDrive): IContentProviderRegistry | null {
  return drive.contentProviderRegistry ?? null;
}

function makeProvider(
  rest: Pick<IContentProvider, 'get' | 'save'>,
  { notebooks, protection, trans }: IIndelible
): IndelibleProvider {
  notebooks.added.connect((_, open) => {
    if (open.mode === 'full') {
      open.changes = new FileChanges({
        open,
        api: protection.api,
        read: path =>
          rest.get(path, { type: 'notebook', content: true, hash: true }),
        choose: chooseSides,
        trans
      });
    }
  });
  return new IndelibleProvider({ rest, notebooks, protection });
}

/** Read and write the notebooks of the default drive through us. */
export function registerProvider(
  drive: Contents.IDrive,
  factory: NotebookWidgetFactory.IFactory,
  indelible: IIndelible
): void {
  const registry = registryOf(drive);
  if (!registry || factory.contentProviderId) {
    console.warn('Indelible: the notebook’s content provider is taken');
    return;
  }
  // JupyterLab 4.4 has a default provider in the registry, later ones keep it to themselves.
  const rest =
    registry.getProvider() ??
    new RestContentProvider({
      apiEndpoint: API_ENDPOINT,
      serverSettings: drive.serverSettings
    });
  registry.register(PROVIDER_ID, makeProvider(rest, indelible));
  allowOtherDrives(registry);
  (factory as { contentProviderId?: string }).contentProviderId = PROVIDER_ID;
}

/**
 * Stand before the provider of jupyter-collaboration when that is installed and switched off: it then only passes
 * on what it is asked, but keeps the notebook's content provider for itself.
 */
export function standBeforeProvider(
  drive: Contents.IDrive,
  factory: NotebookWidgetFactory.IFactory,
  indelible: IIndelible
): void {
  const { contentProviderId: id } = factory;
  const taken = id ? registryOf(drive)?.getProvider(id) : null;
  if (taken) {
    const [get, save] = [taken.get.bind(taken), taken.save.bind(taken)];
    const ours = makeProvider({ get, save }, indelible);
    taken.get = (path, options) => ours.get(path, options);
    taken.save = (path, options) => ours.save(path, options);
  }
}
