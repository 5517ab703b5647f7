// A job's live events. EventSource can send no token, so the stream is read with fetch.

import { authorization, get, renewToken, token, url } from './api.js';
import { restored } from './connection.js';

const SILENCE = 40_000; // the server sends a comment every 15 s

/** Calls `handle(kind, data)` for every event after `seq`; resolves once the job has ended. */
export async function follow(jobId, seq, handle, signal) {
  let last = seq;
  for (let wait = 1000; !signal.aborted; wait = Math.min(10_000, wait * 2)) {
    const used = token();
    try {
      const over = await readOnce(jobId, last, signal, (id, kind, data) => {
        last = id;
        wait = 500;
        handle(kind, data);
      });
      if (over || (await get(`jobs/${jobId}`, signal)).status !== 'training') return;
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401) await renewToken(used);
      else if (!error.status) await restored();
      else if (error.status === 404) return;
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

async function readOnce(jobId, last, signal, handle) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE);
  const both = AbortSignal.any([signal, silence.signal]);
  try {
    const headers = { 'Last-Event-ID': String(last), ...authorization() };
    const response = await fetch(url(`jobs/${jobId}/events`), { headers, signal: both });
    if (!response.ok) throw Object.assign(new Error(), { status: response.status });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return false;
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE);
      const blocks = (rest + value).split('\n\n');
      rest = blocks.pop();
      for (const block of blocks) if (emit(block, handle) === 'ended') return true;
    }
  } finally {
    clearTimeout(timer);
  }
}

function emit(block, handle) {
  const fields = Object.fromEntries(
    block.split('\n').filter((line) => line && line[0] !== ':').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
  );
  if (!fields.data) return null;
  handle(Number(fields.id), fields.event, JSON.parse(fields.data));
  return fields.event;
}
