// An upload: what looks like a mistake, and its pictures row by row; an adapter has none.

import { button, card, deleteButton, figure, fill, find, get, h, muted, number, say, section, t, warned, when } from './parts.js';

const PAGE = 48;

export async function show(main, { id, query, keep }) {
	const file = (await get('files')).find((one) => one.file_id === id);
	if (!file) throw new Error(t('dataset.missing'));
	const { filename: name, kind, warnings } = file;
	const isData = kind === 'data';
	const words = isData ? 'dataset' : 'adapters';
	const remove = deleteButton(`${words}.delete`, () => `files/${id}`, () => (location.hash = '#/'), { name });
	const counts = isData && [figure('dataset.rows', number(file.csv_rows)), figure('dataset.images', number(file.valid_images)), file.skipped_rows > 0 && figure('dataset.skipped', number(file.skipped_rows))];
	fill(main,
		h('div.head', h('h1', name), h('div.actions', remove, h('a.button.main', { href: `#/train?${isData ? `data_file_id=${id}` : `adapter=${id}:upload`}` }, t(`${words}.train`)))),
		h('dl.figures', counts, figure('dataset.time', when(file.upload_time))),
		warned(warnings),
		!isData && muted(t('adapters.text')));
	if (isData) await pictures(main, id, query, keep);
}

async function pictures(main, id, query, keep) {
	const grid = h('ul.pictures');
	let at;
	const pager = (key, by) => button(key, () => turn(at + by).then(() => grid.scrollIntoView()));
	const [previous, place, next] = [pager('previous', -PAGE), muted(), pager('next', PAGE)];
	const foot = h('div.actions.middle');
	main.append(section('dataset.pictures', grid), foot);
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
