// Data: a ZIP that is dropped, or one that is here.

import { button, dropZone, explained, fill, find, folded, h, listing, muted, option, problems, section, sendFile, t, tick, uploads, when } from './parts.js';

export async function show(main) {
	const outcome = h('div');
	const files = h('div.stack', muted(t('loading')));
	const reading = readingOptions();
	fill(main, h('h1', t('home.title')), h('p', t('home.lead')),
		dropZone('home.drop', '.zip', (file) => take(file, outcome, reading)), outcome, reading.node,
		folded(t('home.format'), false, h('p', t('home.formatText')), h('pre', { tabIndex: 0 }, t('home.example'))), files);
	const { data, adapter } = await uploads();
	const list = (listed) => h('ul.rows', listed.map(row));
	fill(files, section('home.files', data[0] ? list(data) : muted(t('home.none'))), adapter[0] && section('home.adapters', list(adapter)));
}

function readingOptions() {
	const box = (name, value, key) => tick(t(key), t(`${key}.help`), { name, value });
	const encoding = h('select', { name: 'encoding' }, option('', t('read.encodingAuto')));
	find('data-format').then((format) => encoding.append(...(format?.csv.encodings ?? []).map((name) => option(name, name))));
	const language = h('select', { name: 'question_language' }, option('en', 'English'), option('zh-TW', '繁體中文'));
	const [skip, zeros] = [box('on_bad_rows', 'skip', 'read.skip'), box('zero_counts', 'include', 'read.zeros')];
	const form = h('form.fields', skip.node, explained('read.encoding', encoding), explained('read.language', language), zeros.node);
	return { node: folded(t('read.title'), false, form), fields: () => Object.fromEntries(new FormData(form)), skip: skip.input };
}

async function take(file, outcome, reading) {
	try {
		const taken = await sendFile(outcome, 'upload-data', { ...reading.fields(), file });
		if (!taken.skipped.length) location.hash = `#/data/${taken.file_id}`;
		else fill(outcome, leftOut(taken));
	} catch (error) {
		const again = () => {
			reading.skip.checked = true;
			take(file, outcome, reading);
		};
		const ofRows = error.errors?.some(({ where }) => where.startsWith('row '));
		fill(outcome, problems(error), ofRows && h('div.actions', button('read.again', again)));
	}
}

const leftOut = ({ file_id: id, skipped }) =>
	listing('warn', t('read.left', { n: skipped.length }), skipped.map(({ row, message }) => ({ where: `row ${row}`, message })),
		h('a.button.main', { href: `#/data/${id}` }, t('read.look')));

const row = ({ file_id: id, filename, kind, csv_rows: n, warnings, upload_time: time }) =>
	h('li', h('a.row.file', { href: `#/data/${id}` }, h('strong', filename), h('span', kind === 'data' ? t('rows', { n }) : t('adapter')),
		h('small', warnings[0] && t('warnings', { n: warnings.length })), h('small', when(time))));
