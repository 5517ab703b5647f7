// A job's live events, read with fetch: EventSource can send no token.

import { get, restored, send, shell, sleep } from './api.js';

const SILENCE = 40_000; // the server sends a comment every 15 s

/** Calls `handle(kind, data)` for every event after `last`; resolves once the job has ended. */
export async function follow(jobId, last, handle) {
	const { signal } = shell;
	const hear = (id, kind, data) => {
		last = id;
		handle(kind, data);
	};
	while (!signal.aborted) {
		try {
			if (await readOnce(jobId, last, signal, hear)) return;
			if ((await get(`jobs/${jobId}`)).status !== 'training') return;
		} catch (error) {
			if (signal.aborted) return;
			if (!error.status) await restored();
		}
		await sleep(1000);
	}
}

async function readOnce(jobId, last, signal, hear) {
	const silence = new AbortController();
	let timer;
	const listen = () => {
		clearTimeout(timer);
		timer = setTimeout(() => silence.abort(), SILENCE);
	};
	listen();
	try {
		const options = { headers: { 'Last-Event-ID': last }, signal: AbortSignal.any([signal, silence.signal]) };
		const reader = (await send(`jobs/${jobId}/events`, options)).body.pipeThrough(new TextDecoderStream()).getReader();
		for (let rest = ''; ; ) {
			const { value, done } = await reader.read();
			if (done) return false;
			listen();
			const blocks = (rest + value).split('\n\n');
			rest = blocks.pop();
			for (const block of blocks) {
				const fields = Object.fromEntries([...block.matchAll(/^(\w+): (.*)$/gm)].map((match) => match.slice(1)));
				if (fields.data) hear(Number(fields.id), fields.event, JSON.parse(fields.data));
				if (fields.event === 'ended') return true;
			}
		}
	} finally {
		clearTimeout(timer);
	}
}
