/** All requests of Indelible's page: the only network access besides feed.ts, which it opens. */
import { URLExt } from '@jupyterlab/coreutils';
import type { INotebookContent } from '@jupyterlab/nbformat';
import { ServerConnection } from '@jupyterlab/services';

import type { IApi, IMergeRequest } from './contracts';
import type {
  ClientMessage,
  IDraft,
  IDraftSummary,
  IHello,
  IMergeAnswer,
  IOpening
} from './protocol';

/** The server refused, or (`status` 0) no server answered. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/** What a browser sends with `keepalive` at the most, all requests together, less the headers' share. */
const KEEPALIVE_BYTES = 60_000;

export class Api implements IApi {
  constructor(
    readonly settings: ServerConnection.ISettings,
    private readonly _tab: () => string
  ) {}

  hello(): Promise<IHello> {
    return this._request<IHello>('hello');
  }

  open(path: string, hash: string | null): Promise<IOpening> {
    return this._request<IOpening>('open', { path, hash, tab: this._tab() });
  }

  draft(wc: string): Promise<IDraft> {
    return this._request<IDraft>(`drafts/${wc}`);
  }

  async drafts(path?: string): Promise<IDraftSummary[]> {
    const query = path === undefined ? '' : `?path=${encodeURIComponent(path)}`;
    return (await this._request<{ drafts: IDraftSummary[] }>(`drafts${query}`))
      .drafts;
  }

  async discard(wc: string): Promise<void> {
    await this._request<object>(`drafts/${wc}/discard`, {});
  }

  merge(request: IMergeRequest): Promise<IMergeAnswer> {
    return this._request<IMergeAnswer>('merge', request);
  }

  version(path: string, id: number): Promise<INotebookContent> {
    const query = `?path=${encodeURIComponent(path)}`;
    return this._request<INotebookContent>(`versions/${id}${query}`);
  }

  /** The file's SHA-256 now; null when there is no such file, or no hash. */
  async fileHash(path: string): Promise<string | null> {
    const url = URLExt.join(
      this.settings.baseUrl,
      'api/contents',
      URLExt.encodeParts(path)
    );
    try {
      const model = await this._fetch<{ hash?: string | null }>(
        `${url}?content=0&hash=1`,
        {}
      );
      return model.hash ?? null;
    } catch (reason) {
      if (reason instanceof ApiError && reason.status === 404) {
        return null;
      }
      throw reason;
    }
  }

  /** The last request of a page that goes: as many messages as fit. The answer reaches nobody. */
  sendLast(messages: readonly ClientMessage[]): void {
    const fitting: ClientMessage[] = [];
    let size = 0;
    for (const message of messages) {
      size += new TextEncoder().encode(JSON.stringify(message)).length + 1;
      if (size > KEEPALIVE_BYTES) {
        break;
      }
      fitting.push(message);
    }
    if (fitting.length > 0) {
      const body = JSON.stringify({ tab: this._tab(), messages: fitting });
      const init = { method: 'POST', body, keepalive: true };
      ServerConnection.makeRequest(
        this._url('edits'),
        init,
        this.settings
      ).catch(() => undefined);
    }
  }

  /** Address of the feed. */
  feedUrl(): string {
    const { wsUrl, token, appendToken } = this.settings;
    const url = URLExt.join(wsUrl, 'indelible/api/feed');
    return appendToken && token
      ? `${url}?token=${encodeURIComponent(token)}`
      : url;
  }

  private _url(name: string): string {
    return URLExt.join(this.settings.baseUrl, 'indelible/api', name);
  }

  private _request<T>(name: string, body?: object): Promise<T> {
    const init =
      body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    return this._fetch<T>(this._url(name), init);
  }

  private async _fetch<T>(url: string, init: RequestInit): Promise<T> {
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this.settings);
    } catch (reason) {
      throw new ApiError(0, 'offline', String(reason));
    }
    const isJson = (response.headers.get('Content-Type') ?? '').includes(
      'json'
    );
    if (response.ok && !isJson) {
      // An expired login ends at the page that asks for it.
      throw new ApiError(401, 'login', 'the server wants a login');
    }
    if (!response.ok) {
      const answer: { error?: string; message?: string } = isJson
        ? await response.json()
        : {};
      throw new ApiError(
        response.status,
        answer.error ?? '',
        answer.message ?? response.statusText
      );
    }
    return (await response.json()) as T;
  }
}
