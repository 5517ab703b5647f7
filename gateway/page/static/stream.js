// A job's live events, read with fetch: EventSource can send no token.

import { get, restored, send, shell, sleep } from './api.js';

const SILENCE = 40_000; // the server sends a comment every 15 s

/** `handle(kind, data)` hears of every event after `last`; resolves once the job at `path` has ended. */
export async function follow(path, last, handle) {
	const { signal } = shell;
	while (!signal.aborted) {
		try {
			for await (const { id, event, data } of events(path, last, signal)) {
				last = id;
				handle(event, JSON.parse(data));
				if (event === 'ended') return;
			}
			if ((await get(path)).status !== 'training') return;
		} catch (error) {
			if (signal.aborted) return;
			if (!error.status) await restored();
		}
		await sleep(1000);
	}
}

async function* events(path, last, signal) {
	const silence = new AbortController();
	let timer;
	const listen = () => {
		clearTimeout(timer);
		timer = setTimeout(() => silence.abort(), SILENCE);
	};
	listen();
	try {
		const options = { headers: { 'Last-Event-ID': last }, signal: AbortSignal.any([signal, silence.signal]) };
		const reader = (await send(`${path}/events`, options)).body.pipeThrough(new TextDecoderStream()).getReader();
		for (let rest = ''; ; ) {
			const { value, done } = await reader.read();
			if (done) return;
			listen();
			const blocks = (rest + value).split('\n\n');
			rest = blocks.pop();
			for (const block of blocks) {
				const fields = Object.fromEntries([...block.matchAll(/^(\w+): (.*)$/gm)].map((match) => match.slice(1)));
				if (fields.data) yield fields;
			}
		}
	} finally {
		clearTimeout(timer);
	}
}
