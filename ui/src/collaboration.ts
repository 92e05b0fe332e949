/** Whether real-time collaboration (jupyter-collaboration 4 or 5) owns the notebooks of this page. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';

/** Each of them takes the notebook's content provider for itself, also when collaboration is switched off. */
const PLUGINS = [
  '@jupyter/docprovider-extension:ynotebook',
  '@jupyter/docprovider-extension:content-provider',
  '@jupyter/docprovider-extension:drive'
];

/** Its plugins are there: the notebook's content provider is theirs. */
export function isContentProviderTaken(
  app: Pick<JupyterFrontEnd, 'hasPlugin'>
): boolean {
  return PLUGINS.some(id => app.hasPlugin(id));
}

/** It loads and saves notebooks: then we record and do nothing else. */
export function isCollaborative(
  app: Pick<JupyterFrontEnd, 'hasPlugin'>
): boolean {
  return (
    isContentProviderTaken(app) && PageConfig.getOption('disableRTC') !== 'true'
  );
}
