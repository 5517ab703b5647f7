// An upload: what looks like a mistake, and its pictures row by row.

import { find, get } from './api.js';
import { back, button, card, figure, fill, h, muted, number, say, t, when } from './parts.js';

const PAGE = 48;

export async function show(main, { id, query, keep }) {
	const file = (await get('files')).find((one) => one.file_id === id);
	if (!file) throw new Error(t('dataset.missing'));
	const grid = h('ul.pictures');
	let at;
	const pager = (key, by) => button(key, () => turn(at + by).then(() => grid.scrollIntoView()));
	const [previous, place, next] = [pager('previous', -PAGE), muted(), pager('next', PAGE)];
	const foot = h('div.actions.middle');
	fill(main, back('#/', t('nav.data')),
		h('div.head', h('h1', file.filename), h('a.button.main', { href: `#/train?file=${id}` }, t('dataset.train'))),
		h('dl.figures', figure('dataset.rows', number(file.csv_rows)), figure('dataset.images', number(file.valid_images)), figure('dataset.time', when(file.upload_time))),
		file.warnings.length > 0 && h('div.callout.warn', h('p', t('warnings', { n: file.warnings.length })), h('ul', file.warnings.map((text) => h('li', text)))),
		h('h2', t('dataset.pictures')), grid, foot);
	const turn = async (offset) => {
		const answer = await find(`files/${id}/rows?limit=${PAGE}&offset=${offset}`);
		if (!answer) return fill(foot, muted(t('unavailable')));
		keep({ offset: offset || null });
		at = offset;
		fill(grid, answer.rows.map((row) => card(id, row, t('row', row), h('p', row.question))));
		const last = Math.min(offset + PAGE, file.csv_rows);
		fill(foot, previous, place, next);
		say(place, t('range', { first: offset + 1, last, all: file.csv_rows }));
		previous.disabled = !offset;
		next.disabled = last >= file.csv_rows;
	};
	await turn(Number(query.get('offset')));
}
