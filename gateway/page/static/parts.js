// What several pages are built of.

import { address } from './api.js';
import { h, say } from './dom.js';
import { measured, number, signed, t } from './i18n.js';

export * from './dom.js';
export * from './i18n.js';

export const button = (key, onclick, more) => h('button.button', { type: 'button', onclick, ...more }, t(key));

export const muted = (...children) => h('p.muted', ...children);

/** Where a job stands. */
export function status() {
	const node = h('span.status');
	const set = (job) => {
		node.dataset.status = job.status === 'completed' && job.warning ? 'warned' : job.status;
		say(node, t(job.phase ? `phase.${job.phase}` : job.end_reason ? `end.${job.end_reason}` : `status.${job.status}`));
	};
	return { node, set };
}

/** The picture of a row, which opens large; its box has its size before it is there. */
export function picture(fileId, row) {
	const title = t('picture', { row: `${row}` });
	const image = h('img', { alt: title, loading: 'lazy', width: 320, height: 320 });
	const sized = (side) => address(`files/${fileId}/images/${row}?max_side=${side}`);
	const box = pictureBox(image, title, () => sized(2048));
	image.onerror = () => image.replaceWith(title);
	sized(320).then((src) => (image.src = src)).catch(image.onerror);
	return box;
}

/** What opens `image` large once it is pressed. */
export const pictureBox = (image, title, full, more) =>
	Object.assign(h('button.picture', { type: 'button', onclick: async ({ currentTarget }) => (await import('./viewer.js')).look(currentTarget), ...more }, image), { shows: { title, full } });

export const card = (fileId, { row, true_count: count }, note, ...more) =>
	h('li.card', picture(fileId, row), h('p.truth', h('b', number(count)), h('small', note)), ...more);

/** A place to drop a file on, or to choose one by. */
export function dropZone(key, accept, take) {
	const input = h('input', { type: 'file', accept, onchange: () => input.files[0] && take(input.files[0]) });
	const zone = h('label.drop', input, h('strong', t(key)), h('span', t(`${key}Hint`)));
	zone.ondragover = () => zone.classList.add('over');
	zone.ondragleave = () => zone.classList.remove('over');
	zone.ondrop = (event) => {
		zone.ondragleave();
		if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]);
	};
	return zone;
}

export function problems({ message, errors = [] }) {
	const n = errors.length;
	return h('div.callout.bad', { role: 'alert' }, h('p', n > 1 ? t('problems', { n }) : message),
		n > 1 && h('ul', errors.map((fault) => h('li', h('b', fault.where.replace(/^row (.+)/, (_, row) => t('row', { row }))), ' ', fault.message))));
}

export const field = (label, ...more) => h('label.field', h('span.label', label), ...more);

export const figure = (key, value, hint) => h('div.figure', h('dt', t(key)), h('dd', value, hint && h('small', hint)));

export const fileOptions = (files, chosen) => files.map((file) => h('option', { value: file.file_id, selected: file.file_id === chosen }, file.filename));

export const back = (href, text) => h('a.back', { href }, '← ', text);

/** An answer: its count, how far off that is, its reward. */
export function answer({ count, text, reward }, truth, who) {
	const off = count === null ? null : count - truth;
	const mark = off === null ? t('noCount') : off ? signed(off, 0) : '✓';
	return h('li.answer', { 'data-off': String(off) }, who && h('small', who), h('b', off === null ? '?' : measured(count, 0)),
		h('span.mark', mark), h('small', { title: t('reward') }, measured(reward)), h('q', text));
}
