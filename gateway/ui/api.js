// Requests to the gateway: the token, lost connections, errors in its own words.

import { restored } from './connection.js';

const root = new URL('..', import.meta.url);
const TOKEN = 'tally.token';

export const url = (path) => new URL(path, root).href;

/** An answer that refuses: `message` is one sentence, `errors` are [{where, message}]. */
export class Refusal extends Error {
  constructor(status, body) {
    super(body?.detail ?? `HTTP ${status}`);
    this.status = status;
    this.errors = body?.errors ?? [];
  }
}

export const token = () => sessionStorage.getItem(TOKEN);
export const authorization = () => (token() ? { Authorization: `Bearer ${token()}` } : {});

let asking;
let ask = async () => null;
export const whenTokenIsNeeded = (dialog) => (ask = dialog);

/** Asks for a token once, however many requests wait for it. */
export function renewToken(refused) {
  if (token() !== refused) return Promise.resolve();
  asking ??= ask(refused !== null).then((given) => {
    sessionStorage.setItem(TOKEN, given);
    asking = undefined;
  });
  return asking;
}

/** A response that is ok. Goes on by itself after a lost connection and after a new token. */
export async function send(path, options = {}) {
  for (;;) {
    const used = token();
    let response;
    try {
      response = await fetch(url(path), { ...options, headers: { ...options.headers, ...authorization() } });
    } catch (error) {
      if (options.signal?.aborted) throw error;
      await restored();
      continue;
    }
    if (response.status === 401) await renewToken(used);
    else if (response.ok) return response;
    else throw new Refusal(response.status, await response.json().catch(() => null));
  }
}

export const get = async (path, signal) => (await send(path, { signal })).json();

export async function post(path, body, headers = {}) {
  const json = { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...headers } };
  return (await send(path, json)).json();
}

/** The answer, or null where there is none yet (409) or no such address (404). */
export async function find(path, signal) {
  try {
    return await get(path, signal);
  } catch (error) {
    if (error.status === 404 || error.status === 409) return null;
    throw error;
  }
}

/** Uploads a form; `progress` hears the share sent, in [0, 1]. Resolves to the answer. */
export function upload(path, form, progress, signal) {
  return new Promise((resolve, reject) => {
    const used = token();
    const request = new XMLHttpRequest();
    request.open('POST', url(path));
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value);
    request.responseType = 'json';
    request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
    request.onload = () => {
      if (request.status < 300) resolve(request.response);
      else if (request.status === 401) renewToken(used).then(() => upload(path, form, progress, signal)).then(resolve, reject);
      else reject(new Refusal(request.status, request.response));
    };
    request.onabort = () => reject(new DOMException('', 'AbortError'));
    request.onerror = () => restored().then(() => upload(path, form, progress, signal)).then(resolve, reject);
    signal?.addEventListener('abort', () => request.abort());
    request.send(form);
  });
}

/** Shows a picture of the API in `image`; a browser sends no token by itself. */
export async function showImage(image, path) {
  if (!token()) image.src = url(path);
  else {
    const blob = await (await send(path)).blob();
    image.onload = () => URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(blob);
  }
}

/** Saves a file: by the browser alone, or with the token where one is needed. */
export async function save(path, filename) {
  const link = document.createElement('a');
  link.download = filename;
  link.href = token() ? URL.createObjectURL(await (await send(path)).blob()) : url(path);
  link.click();
  if (token()) setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
