// An upload: what looks like a mistake, and its pictures row by row.

import { find, get } from './api.js';
import { deleted } from './dialog.js';
import { back, button, card, figure, fill, h, muted, number, say, t, when } from './parts.js';

const PAGE = 48;

export async function show(main, { id, query, keep, note }) {
	const file = (await get('files')).find((one) => one.file_id === id);
	if (!file) throw new Error(t('dataset.missing'));
	const grid = h('ul.pictures');
	let at;
	const pager = (key, by) => button(key, () => turn(at + by).then(() => grid.scrollIntoView()));
	const [previous, place, next] = [pager('previous', -PAGE), muted(), pager('next', PAGE)];
	const foot = h('div.actions.middle');
	const remove = () => deleted('dataset.delete', `files/${id}`, '#/', note, { name: file.filename });
	fill(main, back('#/', t('nav.data')),
		h('div.head', h('h1', file.filename), h('div.actions', button('job.delete', remove), h('a.button.main', { href: `#/train?file=${id}` }, t('dataset.train')))),
		h('dl.figures', figure('dataset.rows', number(file.csv_rows)), figure('dataset.images', number(file.valid_images)), file.skipped_rows > 0 && figure('dataset.skipped', number(file.skipped_rows)), figure('dataset.time', when(file.upload_time))),
		file.warnings.length > 0 && h('div.callout.warn', h('p', t('warnings', { n: file.warnings.length })), h('ul', file.warnings.map((text) => h('li', text)))),
		h('h2', t('dataset.pictures')), grid, foot);
	const turn = async (offset) => {
		const answer = await find(`files/${id}/rows?limit=${PAGE}&offset=${offset}`);
		if (!answer) return fill(foot, muted(t('unavailable')));
		keep({ offset: offset || null });
		at = offset;
		fill(grid, answer.rows.map((row) => card(id, row, t('row', row), h('p', row.question))));
		const all = answer.csv_rows;
		const last = Math.min(offset + PAGE, all);
		fill(foot, previous, place, next);
		say(place, t('range', { first: offset + 1, last, all }));
		previous.disabled = !offset;
		next.disabled = last >= all;
	};
	await turn(Number(query.get('offset')));
}
