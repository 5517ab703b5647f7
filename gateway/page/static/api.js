// Requests to the gateway: token, language, lost connections, errors.

const TOKEN = 'tally.token';
const root = new URL('..', import.meta.url);

const url = (path) => new URL(path, root).href;
/** Set by app.js: asks for a token, tells of the connection, ends reads with their page. */
export const shell = {};
export const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
export const token = () => sessionStorage.getItem(TOKEN);
const headers = (more) => ({ ...more, 'Accept-Language': document.documentElement.lang, ...(token() && { Authorization: `Bearer ${token()}` }) });

/** `errors` are [{where, message}]. */
const refusal = (status, body) => Object.assign(new Error(body?.detail ?? `HTTP ${status}`), { status, errors: body?.errors });

function shared(work) {
	let running;
	return (...all) => (running ??= work(...all).finally(() => (running = null)));
}

const askForToken = shared((refused) => shell.askForToken(refused));
async function renewToken(refused) {
	if (token() === refused) sessionStorage.setItem(TOKEN, await askForToken(refused !== null));
}

/** Resolves once the gateway answers again. */
export const restored = shared(async () => {
	shell.onConnection(true);
	for (let wait = 500; ; wait = Math.min(5000, wait * 1.5)) {
		await sleep(wait);
		const answer = await fetch(url('ui/mark.svg'), { cache: 'no-store' }).catch(() => null);
		if (answer) return shell.onConnection(false);
	}
});

/** A response that is ok; tried again after a lost connection and with a new token. */
export async function send(path, options = {}, deliver = fetch) {
	for (;;) {
		const used = token();
		try {
			const response = await deliver(url(path), { ...options, headers: headers(options.headers) });
			if (response.ok) return response;
			if (response.status !== 401) throw refusal(response.status, await response.json().catch(() => null));
			await renewToken(used);
		} catch (error) {
			if (error.status || options.signal?.aborted) throw error;
			await restored();
		}
	}
}

export const read = (path) => send(path, { signal: shell.signal });
export const get = async (path) => (await read(path)).json();

/** The newest jobs that `query` asks for, and those that are named, however old. */
export async function jobsWith(named, query = '') {
	const jobs = await get(`jobs?limit=200&${query}`);
	const ids = named?.match(/[\w-]{36}(?!:upload)/g) ?? [];
	const others = ids.filter((id) => jobs.every((job) => job.job_id !== id)).map((id) => find(`jobs/${id}`));
	return [...jobs, ...(await Promise.all(others)).filter(Boolean)];
}

/** Null where there is nothing yet (409) or no such address (404). */
export const find = (path) =>
	get(path).catch((error) => {
		if (error.status === 404 || error.status === 409) return null;
		throw error;
	});

export const post = async (path, body, more, method = 'POST') =>
	(await send(path, { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json', ...more } })).json();

export const uploads = async () => ({ data: [], adapter: [], ...Object.groupBy(await get('files'), ({ kind }) => kind) });

/** While the page is shown that asks, and while it `goesOn`. */
export async function keepFresh(milliseconds, refresh, goesOn = () => true) {
	const { signal } = shell;
	while (goesOn()) {
		await sleep(milliseconds);
		if (signal.aborted) return;
		if (!document.hidden) await refresh().catch(() => {});
	}
}

/** Sends what fields have a value as a form; `progress` hears the share sent, in [0, 1]. */
export async function upload(path, fields, progress) {
	const body = new FormData();
	for (const [name, value] of Object.entries(fields)) if (value) body.append(name, value);
	// Of what is sent `fetch` tells nothing.
	const deliver = (address, options) =>
		new Promise((resolve, reject) => {
			const request = new XMLHttpRequest();
			request.open('POST', address);
			for (const one of Object.entries(options.headers)) request.setRequestHeader(...one);
			request.upload.onprogress = ({ loaded, total }) => progress?.(loaded / total);
			request.onload = () => resolve(new Response(request.response, { status: request.status }));
			request.onerror = reject;
			options.signal.addEventListener('abort', () => request.abort());
			request.send(body);
		});
	return (await send(path, { signal: shell.signal }, deliver)).json();
}

/** What the browser can load by itself, though it sends no token. */
export const address = async (path) => (token() ? URL.createObjectURL(await (await send(path)).blob()) : url(path));

export const save = async (path, filename) => Object.assign(document.createElement('a'), { download: filename, href: await address(path) }).click();
