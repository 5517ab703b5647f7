// Whether the server can be reached, and a promise for when it can be again.

import { url } from './api.js';

const LONGEST_WAIT = 5000;
let lost = false;
let recovery;
const listeners = new Set();

export const onConnection = (listener) => listeners.add(listener);

function set(value) {
  if (lost === value) return;
  lost = value;
  for (const listener of listeners) listener(lost);
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function untilAnswered() {
  for (let wait = 500; ; wait = Math.min(LONGEST_WAIT, wait * 1.5)) {
    await Promise.race([sleep(wait), new Promise((done) => addEventListener('online', done, { once: true }))]);
    try {
      // Any answer will do, even a refusal: it comes from the other end.
      await fetch(url('ui/mark.svg'), { method: 'HEAD', cache: 'no-store' });
      set(false);
      recovery = undefined;
      return;
    } catch {
      // Still away.
    }
  }
}

/** Says that a request got no answer; resolves once the server answers again. */
export function restored() {
  set(true);
  recovery ??= untilAnswered();
  return recovery;
}
