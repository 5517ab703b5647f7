// What is asked before something ends or goes.

import { send, shell } from './api.js';
import { h, t } from './parts.js';

/** Opens a dialog over the page, which is gone once it is closed or the page is left. */
export function openDialog(kind, title, ...content) {
	const dialog = h(kind, { ariaLabel: title }, ...content);
	dialog.addEventListener('close', () => dialog.remove());
	shell.signal.addEventListener('abort', () => dialog.close());
	document.body.append(dialog);
	dialog.showModal();
	return dialog;
}

/** Whether the reader agrees to what `${key}.title` and `${key}.text` say; the button is `${key}.do`. */
export const agreed = (key, values) =>
	new Promise((resolve) => {
		const choice = (value, name, kind) => h(`button.button${kind}`, { value }, t(name));
		const title = t(`${key}.title`, values);
		const dialog = openDialog('dialog.ask', title, h('form', { method: 'dialog' }, h('h2', title), h('p', t(`${key}.text`, values)),
			h('div.actions', choice('', 'keep', ''), choice('yes', `${key}.do`, '.danger'))));
		dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'));
	});

/** Deletes what is at `path` where the reader agrees, and goes to another place. */
export async function deleted(key, path, place, note, values) {
	if (await agreed(key, values)) await send(path, { method: 'DELETE' }).then(() => (location.hash = place), (error) => note(error.message));
}
