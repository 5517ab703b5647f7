// Data: drop a ZIP, or choose one that is here.

import { get, upload } from './api.js';
import { bytes, dropZone, fill, h, muted, percent, problems, say, t, when } from './parts.js';

export async function show(main) {
	const outcome = h('div');
	const files = h('div', muted(t('loading')));
	fill(main, h('section.hero', h('h1', t('home.title')), h('p', t('home.lead'))),
		dropZone('home.drop', '.zip', (file) => take(file, outcome)), outcome,
		h('details', h('summary', t('home.format')), h('p', t('home.formatText')), h('pre', { tabIndex: 0 }, t('home.example'))),
		h('section', h('h2', t('home.files')), files));
	const list = await get('files');
	fill(files, list.length ? h('ul.rows', list.map(row)) : muted(t('home.none')));
}

async function take(file, outcome) {
	const line = h('p', { ariaLive: 'polite' });
	const bar = h('progress', { ariaLabel: t('home.sending') });
	const values = { name: file.name, size: bytes(file.size) };
	const progress = (share) => {
		bar.value = share;
		say(line, share < 1 ? t('home.sent', { ...values, share: percent(share) }) : t('home.checking', values));
	};
	fill(outcome, h('div.callout', line, bar));
	progress(0);
	try {
		location.hash = `#/data/${(await upload('upload-data', { file }, progress)).file_id}`;
	} catch (error) {
		fill(outcome, problems(error));
	}
}

const row = (file) =>
	h('li', h('a.row.file', { href: `#/data/${file.file_id}` }, h('strong', file.filename), h('span', t('rows', { n: file.csv_rows })),
		h('small', file.warnings.length > 0 && t('warnings', { n: file.warnings.length })), h('small', when(file.upload_time))));
