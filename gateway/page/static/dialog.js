// What is told, and what is asked before something ends or goes.

import { send, shell } from './api.js';
import { button, h, t } from './parts.js';

export function note(text) {
	const line = h('p.note', text);
	document.getElementById('notes').append(line);
	setTimeout(() => line.remove(), 8000);
}

export const complain = (error) => note(error.message);

/** Gone once it is closed or the page is left. */
export function openDialog(kind, title, ...content) {
	const dialog = h(kind, { ariaLabel: title }, ...content);
	dialog.addEventListener('close', () => dialog.remove());
	shell.signal.addEventListener('abort', () => dialog.close());
	document.body.append(dialog);
	dialog.showModal();
	return dialog;
}

/** Whether the reader agrees to `${key}.title` and `${key}.text` by `${key}.do`. */
export const agreed = (key, values) =>
	new Promise((resolve) => {
		const choice = (value, name, kind) => h(`button.button${kind}`, { value }, t(name));
		const title = t(`${key}.title`, values);
		const dialog = openDialog('dialog.ask', title, h('form', { method: 'dialog' }, h('h2', title), h('p', t(`${key}.text`, values)),
			h('div.actions', choice('', 'keep', ''), choice('yes', `${key}.do`, '.danger'))));
		dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'));
	});

export const deleteButton = (key, path, after, values) =>
	button('job.delete', async () => {
		if (await agreed(key, values)) await send(path(), { method: 'DELETE' }).then(after, complain);
	});
