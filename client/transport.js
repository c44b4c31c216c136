// How requests reach the adapter: address, token, one refresh after a 401. It knows no route and no event.

import { answerError, networkError, requestError, SimError } from './error.js';

/**
 * @param {Response} response
 * @returns {Promise<any>} the body as JSON, undefined if it is none
 */
async function bodyOf(response) {
  const text = await response.text().catch((error) => {
    throw networkError(error);
  });
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {unknown} error @param {AbortSignal | undefined} signal */
function sendError(error, signal) {
  return signal?.aborted ? error : networkError(error);
}

export class Transport {
  #baseUrl;
  #getToken;
  #refresh;
  #request;
  /** @type {Promise<unknown> | undefined} */
  #refreshing;

  /** @param {import('./index.js').ClientOptions} options */
  constructor({ baseUrl = '/api/sim', getToken, refresh, request }) {
    this.#baseUrl = baseUrl.replace(/\/+$/, '');
    this.#getToken = getToken;
    this.#refresh = refresh;
    this.#request = request;
  }

  /**
   * A new token, fetched once however many ask at the same time.
   *
   * @param {unknown} [cause] what the old token led to
   */
  async renew(cause) {
    this.#refreshing ??= Promise.resolve(this.#refresh()).finally(() => {
      this.#refreshing = undefined;
    });
    const signedOut = { code: 'unauthenticated', message: 'the session has ended' };
    const token = await this.#refreshing.catch((error) => {
      throw new SimError(signedOut, { status: 401, cause: error });
    });
    if (!token) throw new SimError(signedOut, { status: 401, cause });
  }

  /**
   * One JSON call, through the host's own client where that can send it.
   *
   * @param {'GET' | 'POST'} method
   * @param {string} path
   * @param {{body?: unknown, signal?: AbortSignal | undefined, headers?: Record<string, string>}} [options]
   * @returns {Promise<any>}
   */
  async json(method, path, { body, signal, headers } = {}) {
    if (this.#request && !headers) {
      const url = this.#baseUrl + path;
      try {
        return await (method === 'GET'
          ? this.#request.get(url, signal ? { signal } : {})
          : this.#request.post(url, body ?? {}));
      } catch (error) {
        throw requestError(error);
      }
    }
    const response = await this.open(method, path, { body, signal, headers });
    const answer = await bodyOf(response);
    if (answer === undefined) throw answerError(response.status, answer, (name) => response.headers.get(name));
    return answer;
  }

  /**
   * The answer with its body unread; one that is no success is thrown. After a 401 the token is refreshed, once.
   *
   * @param {'GET' | 'POST'} method
   * @param {string} path
   * @param {{body?: unknown, signal?: AbortSignal | undefined, headers?: Record<string, string> | undefined}} [options]
   */
  async open(method, path, options = {}) {
    const token = await this.#getToken();
    const response = await this.#send(method, path, token, options);
    if (response.status !== 401) return this.#accept(response);
    const refused = await this.#refusal(response);
    // Somebody else may have refreshed it while this request was under way.
    if ((await this.#getToken()) === token) await this.renew(refused);
    return this.#accept(await this.#send(method, path, await this.#getToken(), options));
  }

  /** @param {string} method @param {string} path @param {string | null | undefined} token @param {any} options */
  async #send(method, path, token, { body, signal, headers }) {
    /** @type {Record<string, string>} */
    const all = { ...headers };
    if (token) all.authorization = `Bearer ${token}`;
    if (method === 'POST') all['content-type'] = 'application/json';
    try {
      return await fetch(this.#baseUrl + path, {
        method,
        headers: all,
        body: method === 'POST' ? JSON.stringify(body ?? {}) : null,
        cache: 'no-store',
        credentials: 'same-origin',
        signal: signal ?? null,
      });
    } catch (error) {
      throw sendError(error, signal);
    }
  }

  /** @param {Response} response */
  async #accept(response) {
    if (response.ok) return response;
    throw await this.#refusal(response);
  }

  /** @param {Response} response */
  async #refusal(response) {
    return answerError(response.status, await bodyOf(response), (name) => response.headers.get(name));
  }
}
