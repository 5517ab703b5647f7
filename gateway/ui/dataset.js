// An upload: what looks like a mistake, and its pictures row by row.

import { find, get } from './api.js';
import { number, t, when } from './i18n.js';
import { back, figure, fill, h, muted, picture } from './parts.js';

export const title = 'nav.data';
const PAGE = 48;

export async function show(main, { id, query, keep }) {
	const file = (await get('files')).find((one) => one.file_id === id);
	if (!file) throw new Error(t('dataset.missing'));
	const grid = h('ul.pictures');
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
		fill(grid, answer.rows.map((row) => card(id, row)));
		const last = Math.min(offset + PAGE, file.csv_rows);
		const button = (key, to, disabled) => h('button.button', { disabled, onclick: () => turn(to).then(() => grid.scrollIntoView()) }, t(key));
		fill(foot, button('previous', offset - PAGE, !offset), muted(t('range', { first: offset + 1, last, all: file.csv_rows })), button('next', offset + PAGE, last >= file.csv_rows));
	};
	await turn(Number(query.get('offset')));
}

const card = (fileId, row) =>
	h('li.card', picture(fileId, row.row), h('p.truth', h('b', number(row.true_count)), h('small', t('row', row))), h('p', row.question));
