// What several pages are built of.

import { address, upload } from './api.js';
import { fill, h, say } from './dom.js';
import { bytes, measured, number, percent, signed, t } from './i18n.js';

export * from './api.js';
export * from './dialog.js';
export * from './dom.js';
export * from './i18n.js';

export const button = (key, onclick, more) => h('button.button', { type: 'button', onclick, ...more }, t(key));

export async function busy(pressed, work, fail) {
	pressed.disabled = true;
	await work().catch(fail);
	pressed.disabled = false;
}

export const muted = (...children) => h('p.muted', ...children);

export const section = (key, ...more) => h('section', h('h2', t(key)), ...more);

export const folded = (summary, open, ...more) => h('details', { open }, h('summary', summary), ...more);

export const field = (label, ...more) => h('label.field', h('span.label', label), ...more);

export const explained = (key, control) => field(t(key), control, h('small', t(`${key}.help`)));

export const option = (value, text) => h('option', { value }, text);

export const fileOptions = (files) => files.map((file) => option(file.file_id, file.filename));

/** By `JOB_ID` or `JOB_ID:best`. */
export const adapterOptions = (jobs) => jobs.flatMap(({ job_id: id, job_name: name, checkpoints }) =>
	checkpoints.map((which) => option(which === 'best' ? `${id}:best` : id, `${name} · ${t(`compare.${which}`)}`)));

/** What is looked for, kept in the address. */
export function jobSearch({ query, keep }, refresh) {
	const kept = (name, node) => Object.assign(node, { ariaLabel: t(`jobs.${name}`), value: query.get(name) ?? '', oninput: () => refresh(keep({ [name]: node.value })) });
	const states = ['training', 'completed', 'failed', 'cancelled'].map((one) => option(one, t(`status.${one}`)));
	return h('div.actions', kept('q', h('input', { type: 'search', maxLength: 200, placeholder: t('jobs.q') })), kept('status', h('select', option('', t('jobs.status')), states)));
}

export const stepsOf = ({ queue_position: place, current_step: step, total_steps: total }) =>
	place ? t('queue.place', { place }) : total ? t('steps', { step, total }) : '';

/** The value may be none of the options. */
export function select({ value, ...properties }, options) {
	const isKnown = options.flat().some((one) => one.value === value);
	return h('select', { ...properties, value }, options, !isKnown && option(value, value));
}

export function tick(text, note, properties) {
	const input = h('input', { type: 'checkbox', ...properties });
	return { input, node: h('label.check', input, h('span', text), h('small', note)) };
}

export const figure = (key, value, hint) => h('div.figure', h('dt', t(key)), h('dd', value, hint && h('small', hint)));

/** May be wider than the page. */
export const table = (kind, caption, heads, rows) =>
	h('div.scroll', { tabIndex: 0 }, h(`table${kind}`, caption && h('caption', caption),
		h('thead', h('tr', heads.map((head) => (head ? h('th', { scope: 'col' }, head) : h('td'))))), h('tbody', rows)));

/** Rows are [label, cell, …]; on a phone each stands by itself. */
export const facing = (heads, rows) =>
	table('.facing', null, ['', ...heads], rows.map(([label, ...cells]) =>
		h('tr', h('th', { scope: 'row' }, label), cells.map((cell, i) => h('td', { 'data-label': heads[i].textContent ?? heads[i] }, cell)))));

export function status() {
	const node = h('span.status');
	const set = (job) => {
		node.dataset.status = job.status === 'completed' && job.warning ? 'warned' : job.status;
		say(node, t(job.phase ? `phase.${job.phase}` : job.end_reason ? `end.${job.end_reason}` : `status.${job.status}`));
	};
	return { node, set };
}

/** Its box has its size before the picture is there. */
export function picture(fileId, row) {
	const title = t('picture', { row: `${row}` });
	const image = h('img', { alt: title, loading: 'lazy', width: 320, height: 320 });
	const sized = (side) => address(`files/${fileId}/images/${row}?max_side=${side}`);
	const box = pictureBox(image, title, () => sized(2048));
	image.onerror = () => image.replaceWith(title);
	sized(320).then((src) => (image.src = src)).catch(image.onerror);
	return box;
}

export const pictureBox = (image, title, full, more) =>
	Object.assign(h('button.picture', { type: 'button', onclick: async ({ currentTarget }) => (await import('./viewer.js')).look(currentTarget), ...more }, image), { shows: { title, full } });

export const card = (fileId, { row, true_count: count }, note, ...more) =>
	h('li.card', picture(fileId, row), h('p.truth', h('b', number(count)), h('small', note)), ...more);

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

/** Tells in `outcome` how far it is. */
export async function sendFile(outcome, path, fields) {
	const line = h('p', { ariaLive: 'polite' });
	const bar = h('progress', { ariaLabel: t('home.sending') });
	const values = { name: fields.file.name, size: bytes(fields.file.size) };
	const progress = (share) => {
		bar.value = share;
		say(line, share < 1 ? t('home.sent', { ...values, share: percent(share) }) : t('home.checking', values));
	};
	fill(outcome, h('div.callout', line, bar));
	progress(0);
	return upload(path, fields, progress);
}

/** Of items {where, message}. */
export const listing = (kind, title, items, ...more) =>
	h(`div.callout.${kind}`, { role: kind === 'bad' ? 'alert' : 'status' }, h('p', title), more, items[0] && h('ul', items.map(({ where, message }) =>
		h('li', where && h('b', where.replace(/^row (.+)/, (_, row) => t('row', { row }))), ' ', message))));

export const problems = ({ message, errors = [] }) => (errors[1] ? listing('bad', t('problems', { n: errors.length }), errors) : listing('bad', message, []));

export const warned = (warnings) => warnings[0] && listing('warn', t('warnings', { n: warnings.length }), warnings.map((message) => ({ message })));

export function answer({ count, text, reward }, truth, who) {
	const off = count === null ? null : count - truth;
	const mark = off === null ? t('noCount') : off ? signed(off, 0) : '✓';
	return h('li.answer', { 'data-off': String(off) }, who && h('small', who), h('b', off === null ? '?' : measured(count, 0)),
		h('span.mark', mark), h('small', { title: t('reward') }, measured(reward)), h('q', text));
}
