// Base against adapter: figures with intervals, the matrix, the worst images.

import { find, get, post, save, sleep } from './api.js';
import { number, percent, signed, t, when } from './i18n.js';
import { answer, field, fileOptions, fill, h, muted, picture } from './parts.js';

const SIDES = ['base', 'adapter'];
const two = (value) => number(value, 2);
const share = (value) => percent(value, 1);
const points = (value) => `${signed(value * 100, 1)} ${t('points')}`;
// How each figure and its difference are written.
const FIGURES = {
	exact_rate: [share, points], within_one_rate: [share, points], mean_absolute_count_error: [two, signed],
	root_mean_square_count_error: [two, signed], reward_mean: [two, signed], parse_failure_rate: [share, points],
};

export async function open(host, page) {
	const { job, listeners } = page;
	const draw = async () => {
		const asked = (await find(`evaluations?job_id=${job.job_id}`)) ?? [];
		const chosen = asked.find((one) => one.evaluation_id === page.query.get('evaluation'));
		const path = chosen ? `evaluations/${chosen.evaluation_id}` : `jobs/${job.job_id}/evaluation`;
		const found = await find(path);
		const result = chosen ? found.evaluation : found;
		const waiting = chosen?.status === 'running';
		const reason = waiting ? t('compare.running', { share: found.progress }) : chosen?.error_message ?? t(job.status === 'training' ? 'compare.later' : 'compare.none');
		const files = ['csv', 'html'].map((kind) => h('button.button', { onclick: () => save(`${path}.${kind}`, `${job.job_name}.${kind}`) }, t(`compare.${kind}`)));
		fill(host, result ? [h('div.actions', files), comparison(result, job)] : muted(reason), job.status === 'completed' && elsewhere(page, asked, await get('files'), draw));
		if (waiting) sleep(1500).then(() => host.isConnected && draw());
	};
	listeners.push((kind) => (kind === 'evaluation' || kind === 'over') && draw());
	await draw();
}

function elsewhere({ job, keep, note }, asked, files, draw) {
	const select = h('select', fileOptions(files));
	const start = () => post(`jobs/${job.job_id}/evaluate`, { file_id: select.value }).then(
		({ evaluation_id: evaluation }) => draw(keep({ evaluation })), (error) => note(error.message));
	const earlier = asked.map((one) => h('a', { href: `#/jobs/${job.job_id}?view=compare&evaluation=${one.evaluation_id}` }, when(one.created_at)));
	return h('section', h('h2', t('compare.elsewhere')), h('div.actions', field(t('compare.upload'), select), h('button.button', { onclick: start }, t('compare.start')), earlier));
}

function comparison(result, job) {
	const { base, difference, matrix, interval, worst = [], warnings = [] } = result;
	const heads = ['', ...SIDES, difference && 'difference'];
	return [
		h('section.panel.sides', SIDES.map((side) =>
			h('div', { 'data-side': side }, h('h2', t(side)), h('strong', share(result[side].exact_rate)), whisker(result[side]))), muted(t('compare.exact', { n: result.num_samples }))),
		warnings.length > 0 && h('ul.callout.warn', warnings.map((text) => h('li', text))),
		h('div.scroll', { tabIndex: 0 }, h('table', h('thead', h('tr', heads.map((key) => h('th', { scope: 'col' }, key && t(key))))),
			h('tbody', Object.entries(FIGURES).filter(([name]) => name in base).map(([name, [write, writeDifference]]) =>
				h('tr', h('th', { scope: 'row' }, t(`figure.${name}`)), SIDES.map((side) => cell(name, result[side], write)), difference && cell(name, difference, writeDifference)))))),
		interval && muted(t('compare.intervals', { confidence: percent(interval.confidence) })),
		matrix && h('section', h('h2', t('compare.matrix')), muted(t('compare.matrixHelp')), h('div.halves', SIDES.map((side) => heat(matrix, side)))),
		h('div.halves', bars(result.by_count, 'compare.byCount'), bars(result.by_kind, 'compare.byKind')),
		worst.length > 0 && h('section', h('h2', t('compare.worst')), h('ul.pictures', worst.map((one) => far(result.file_id, one, job)))),
	];
}

function cell(name, side, write) {
	const interval = side.intervals?.[name];
	return h('td', h('b', write(side[name])), interval && h('small', interval.map((value) => write(value)).join(' – ')));
}

function whisker({ exact_rate: value, intervals }) {
	const [from, to] = intervals?.exact_rate ?? [value, value];
	return h('div.whisker', { style: { '--from': from, '--to': to, '--at': value } }, h('i'), h('b'));
}

function heat({ true_labels: rows, answer_labels: columns, ...sides }, side) {
	const label = (text) => h('th', { scope: 'col' }, text === 'no count' ? t('noCount') : text);
	const line = (text, i) => {
		const all = sides[side][i].reduce((sum, n) => sum + n, 0) || 1;
		return h('tr', h('th', { scope: 'row' }, text), sides[side][i].map((n, j) =>
			h('td', { className: columns[j] === text ? 'right' : '', style: { '--share': n / all } }, n > 0 && number(n))));
	};
	return h('div.scroll', { tabIndex: 0 }, h('table.matrix', { 'data-side': side }, h('caption', t(side)), h('thead', h('tr', h('td'), columns.map(label))), h('tbody', rows.map(line))));
}

const bars = (parts, key) =>
	parts?.length > 0 && h('section', h('h2', t(key)), h('dl', parts.map((part) =>
		h('div.pair', h('dt', part.label, h('small', number(part.num_samples))), SIDES.map((side) =>
			h('dd', { 'data-side': side, title: t(side), style: { '--share': part[side].exact_rate } }, h('i'), percent(part[side].exact_rate)))))));

const far = (fileId, one, job) =>
	h('li.card', picture(fileId, one.row), h('p.truth', h('b', number(one.true_count)), h('small', one.question)),
		h('ol.answers', SIDES.map((side) => answer(one[side], one.true_count, t(side)))),
		h('a', { href: `#/jobs/${job.job_id}?${new URLSearchParams({ view: 'try', file: fileId, row: one.row, question: one.question })}` }, t('compare.try')));
