// Requests to the gateway: token, language, lost connections, errors.

const TOKEN = 'tally.token';
const root = new URL('..', import.meta.url);

export const url = (path) => new URL(path, root).href;
/** Set by app.js: asks for a token, tells of the connection, ends reads with their page. */
export const shell = {};
export const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
export const token = () => sessionStorage.getItem(TOKEN);
const headers = (more) => ({ ...more, 'Accept-Language': document.documentElement.lang, ...(token() && { Authorization: `Bearer ${token()}` }) });

/** An answer that refuses: `message` is one sentence, `errors` are [{where, message}]. */
const refusal = (status, body) => Object.assign(new Error(body?.detail ?? `HTTP ${status}`), { status, errors: body?.errors });

let asking;
/** Asks once, however many were refused with the same token. */
async function renewToken(refused) {
	if (token() !== refused) return;
	asking ??= shell.askForToken(refused !== null).finally(() => (asking = null));
	sessionStorage.setItem(TOKEN, await asking);
}

let recovery;
/** Tells that there was no answer; resolves once there is one again. */
export function restored() {
	recovery ??= untilAnswered().finally(() => (recovery = null));
	return recovery;
}

async function untilAnswered() {
	shell.onConnection(true);
	for (let wait = 500; ; wait = Math.min(5000, wait * 1.5)) {
		await sleep(wait);
		const answer = await fetch(url('ui/mark.svg'), { cache: 'no-store' }).catch(() => null);
		if (answer) return shell.onConnection(false);
	}
}

/** A response that is ok; tried again after a lost connection and with a new token. */
export async function send(path, options = {}) {
	for (;;) {
		const used = token();
		try {
			const response = await fetch(url(path), { ...options, headers: headers(options.headers) });
			if (response.ok) return response;
			if (response.status !== 401) throw refusal(response.status, await response.json().catch(() => null));
			await renewToken(used);
		} catch (error) {
			if (error.status || options.signal?.aborted) throw error;
			await restored();
		}
	}
}

/** Reads, for as long as the page is shown that asks. */
export const read = (path) => send(path, { signal: shell.signal });
export const get = async (path) => (await read(path)).json();

/** Null where there is nothing yet (409) or no such address (404). */
export const find = (path) =>
	get(path).catch((error) => {
		if (error.status === 404 || error.status === 409) return null;
		throw error;
	});

export const post = async (path, body, more) =>
	(await send(path, { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...more } })).json();

/** Sends fields as a form; `progress` hears the share sent, in [0, 1]. */
export function upload(path, fields, progress) {
	return new Promise((resolve, reject) => {
		const used = token();
		const again = () => upload(path, fields, progress).then(resolve, reject);
		const form = new FormData();
		for (const [name, value] of Object.entries(fields)) form.append(name, value);
		const request = new XMLHttpRequest();
		request.open('POST', url(path));
		for (const one of Object.entries(headers())) request.setRequestHeader(...one);
		request.responseType = 'json';
		request.upload.onprogress = (event) => progress?.(event.loaded / event.total);
		request.onload = () => {
			if (request.status === 401) renewToken(used).then(again);
			else if (request.status < 300) resolve(request.response);
			else reject(refusal(request.status, request.response));
		};
		request.onerror = () => restored().then(again);
		request.send(form);
		shell.signal.addEventListener('abort', () => request.abort());
	});
}

/** What the browser can load by itself, though it sends no token. */
export const address = async (path) => (token() ? URL.createObjectURL(await (await send(path)).blob()) : url(path));

export async function save(path, filename) {
	const link = document.createElement('a');
	link.download = filename;
	link.href = await address(path);
	link.click();
}
