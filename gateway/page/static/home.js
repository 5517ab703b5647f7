// Data: drop a ZIP, or choose one that is here.

import { find, get, upload } from './api.js';
import { button, bytes, dropZone, field, fill, h, muted, percent, problems, say, t, when } from './parts.js';

const ROWS_LISTED = 100;

export async function show(main) {
	const outcome = h('div');
	const files = h('div', muted(t('loading')));
	const reading = readingOptions();
	fill(main, h('section.hero', h('h1', t('home.title')), h('p', t('home.lead'))),
		dropZone('home.drop', '.zip', (file) => take(file, outcome, reading)), outcome, reading.node,
		h('details', h('summary', t('home.format')), h('p', t('home.formatText')), h('pre', { tabIndex: 0 }, t('home.example'))),
		h('section', h('h2', t('home.files')), files));
	const [list, format] = await Promise.all([get('files'), find('data-format')]);
	fill(files, list.length ? h('ul.rows', list.map(row)) : muted(t('home.none')));
	reading.offer(format?.csv.encodings ?? []);
}

/** How a ZIP is to be read; `offer` adds the encodings that there are. */
function readingOptions() {
	const option = (value, text) => h('option', { value }, text);
	const tick = (name, value, key) => {
		const input = h('input', { type: 'checkbox', name, value });
		return { input, node: h('label.check', input, h('span', t(key)), h('small', t(`${key}Help`))) };
	};
	const encoding = h('select', { name: 'encoding' }, option('', t('read.encodingAuto')));
	const language = h('select', { name: 'question_language' }, option('en', 'English'), option('zh-TW', '繁體中文'));
	const [skip, zeros] = [tick('on_bad_rows', 'skip', 'read.skip'), tick('zero_counts', 'include', 'read.zeros')];
	const node = h('details', h('summary', t('read.title')), h('div.fields', skip.node, field(t('read.encoding'), encoding, h('small', t('read.encodingHelp'))),
		field(t('read.language'), language, h('small', t('read.languageHelp'))), zeros.node));
	const fields = () => ({
		question_language: language.value, ...(encoding.value && { encoding: encoding.value }),
		...Object.fromEntries([skip, zeros].filter(({ input }) => input.checked).map(({ input }) => [input.name, input.value])),
	});
	return { node, fields, skip: skip.input, offer: (names) => encoding.append(...names.map((name) => option(name, name))) };
}

async function take(file, outcome, reading) {
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
		const taken = await upload('upload-data', { ...reading.fields(), file }, progress);
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

/** The rows that were left out, which are told this once. */
const leftOut = ({ file_id: id, skipped }) =>
	h('div.callout.warn', { role: 'status' }, h('p', t('read.left', { n: skipped.length })),
		h('ul', skipped.slice(0, ROWS_LISTED).map(({ row, message }) => h('li', h('b', t('row', { row: `${row}` })), ' ', message)),
			skipped.length > ROWS_LISTED && h('li', t('read.more', { n: skipped.length - ROWS_LISTED }))),
		h('a.button.main', { href: `#/data/${id}` }, t('read.look')));

const row = (file) =>
	h('li', h('a.row.file', { href: `#/data/${file.file_id}` }, h('strong', file.filename), h('span', t('rows', { n: file.csv_rows })),
		h('small', file.warnings.length > 0 && t('warnings', { n: file.warnings.length })), h('small', when(file.upload_time))));
