/** Make our provider the one that notebooks are read and written through. */
import type { NotebookWidgetFactory } from '@jupyterlab/notebook';
import {
  RestContentProvider,
  type Contents,
  type IContentProviderRegistry
} from '@jupyterlab/services';

import { IndelibleProvider, PROVIDER_ID } from './provider';
import { SaveToast } from './savetoast';
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

export function registerProvider(
  contents: Contents.IManager,
  factory: NotebookWidgetFactory.IFactory,
  { notebooks, protection, trans }: IIndelible
): void {
  const { defaultDrive } = contents as Contents.IManager & {
    defaultDrive?: Contents.IDrive;
  };
  const registry = defaultDrive?.contentProviderRegistry;
  if (
    !defaultDrive ||
    !registry ||
    !('contentProviderId' in factory) ||
    factory.contentProviderId
  ) {
    console.warn(
      'Indelible: drafts cannot be loaded here; the notebook’s content provider is taken'
    );
    return;
  }
  const toast = new SaveToast(trans);
  registry.register(
    PROVIDER_ID,
    new IndelibleProvider({
      rest:
        // JupyterLab 4.4 has a default provider in the registry, later ones keep it to themselves.
        registry.getProvider() ??
        new RestContentProvider({
          apiEndpoint: API_ENDPOINT,
          serverSettings: defaultDrive.serverSettings
        }),
      notebooks,
      protection,
      onFailedSave: open => toast.tell(open)
    })
  );
  allowOtherDrives(registry);
  (factory as { contentProviderId?: string }).contentProviderId = PROVIDER_ID;
}
