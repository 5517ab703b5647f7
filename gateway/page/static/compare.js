// Base against adapter: figures with intervals, the matrix, the worst images.

import { find, get, post, save, sleep } from './api.js';
import { deleted } from './dialog.js';
import { answer, button, card, field, fileOptions, fill, h, keyed, measured, muted, named, number, percent, say, signed, t, when } from './parts.js';

const SIDES = ['base', 'adapter'];
const share = (value) => percent(value, 1);
const points = (value) => `${signed(value * 100, 1)} ${t('points')}`;
/** How a figure or its difference is written. */
const written = (name, difference) => (name.endsWith('_rate') ? (difference ? points : share) : difference ? signed : measured);

export async function open(host, page) {
	const { job, listeners, query } = page;
	const [outcome, more, reason] = [h('div.stack'), h('section'), muted()];
	let shown;
	let others;
	/** Drawn anew only where another result is there. */
	const draw = async (evaluated = job.status !== 'training') => {
		const asked = (await find(`evaluations?job_id=${job.job_id}`)) ?? [];
		const chosen = asked.find((one) => one.evaluation_id === query.get('evaluation'));
		const path = chosen ? `evaluations/${chosen.evaluation_id}` : `jobs/${job.job_id}/evaluation`;
		const found = (chosen || evaluated) && (await find(path));
		const result = chosen ? found.evaluation : found;
		const waiting = chosen?.status === 'running';
		say(reason, waiting ? t('compare.running', { share: found.progress }) : chosen?.error_message ?? t(evaluated ? 'compare.none' : 'compare.later'));
		if (!result) fill(outcome, reason);
		else if (shown !== path) fill(outcome, files(path, job), comparison(result, job));
		shown = result && path;
		if (job.checkpoints.length) (others ??= elsewhere(more, page, await get('files'), draw))(asked);
		if (waiting) sleep(1500).then(() => host.isConnected && draw());
	};
	fill(host, outcome, more);
	listeners.push((kind) => (kind === 'evaluation' || kind === 'over') && draw(true));
	await draw();
}

const files = (path, job) => h('div.actions', ['csv', 'html'].map((kind) =>
	button(`compare.${kind}`, () => save(`${path}.${kind}`, `${job.job_name}.${kind}`))));

/** Shows what was asked besides, and where to ask more. */
function elsewhere(host, { job, keep, note, query }, uploads, draw) {
	const select = h('select', fileOptions(uploads));
	const which = h('select', job.checkpoints.map((one) => h('option', { value: one }, t(`compare.${one}`))));
	const start = () => post(`jobs/${job.job_id}/evaluate`, { file_id: select.value, checkpoint: which.value }).then(
		({ evaluation_id: evaluation }) => draw(keep({ evaluation })), (error) => note(error.message));
	const place = `#/jobs/${job.job_id}?view=compare`;
	const link = (id, ...text) => h('a.choice', { href: `${place}${id && `&evaluation=${id}`}`, id }, ...text);
	const name = (id) => uploads.find((one) => one.file_id === id)?.filename ?? t('about.deleted');
	const links = keyed('evaluation_id', (one) => link(one.evaluation_id, name(one.file_id), h('small', when(one.created_at))));
	const own = link('', t('compare.held'));
	const remove = button('job.delete', () => deleted('compare.delete', `evaluations/${query.get('evaluation')}?purge=true`, place, note));
	const actions = h('div.actions', field(t('compare.upload'), select), job.checkpoints[1] && field(t('compare.which'), which), button('compare.start', start));
	const earlier = h('div.actions');
	fill(host, h('h2', t('compare.elsewhere')), actions, earlier);
	return (asked) => {
		const choices = asked.length ? [own, ...links(asked)] : [];
		for (const one of choices) one.ariaCurrent = one.id === (query.get('evaluation') ?? '') ? 'true' : null;
		fill(earlier, choices, query.has('evaluation') && remove);
	};
}

function comparison(result, job) {
	const { base, calibration, difference, matrix, interval, worst, warnings } = result;
	const heads = ['', ...SIDES, 'difference'];
	return [
		h('section.panel.sides', SIDES.map((side) =>
			h('div', { 'data-side': side }, h('h2', t(side)), h('strong', share(result[side].exact_rate)), whisker(result[side]))), muted(t('compare.exact', { n: result.num_samples }))),
		warnings.length > 0 && h('ul.callout.warn', warnings.map((text) => h('li', text))),
		h('div.scroll', { tabIndex: 0 }, h('table.facing', h('thead', h('tr', heads.map((key) => h('th', { scope: 'col' }, key && t(key))))),
			h('tbody', named('figure.').filter((name) => name in base).map((name) =>
				h('tr', h('th', { scope: 'row' }, t(`figure.${name}`)), SIDES.map((side) => cell(name, result[side], side)), cell(name, difference, 'difference')))))),
		muted(t('compare.intervals', { confidence: percent(interval.confidence) })),
		h('section', h('h2', t('compare.matrix')), muted(t('compare.matrixHelp')), h('div.halves', SIDES.map((side) => heat(matrix, side)))),
		h('div.halves', bars(result.by_count, 'compare.byCount'), bars(result.by_kind, 'compare.byKind')),
		calibration && h('section', h('h2', t('compare.sure')), muted(t('compare.sureHelp')), h('div.halves', SIDES.map((side) => sure(calibration[side], side)))),
		worst.length > 0 && h('section', h('h2', t('compare.worst')), h('ul.pictures', worst.map((one) => far(result.file_id, one, job)))),
	];
}

function cell(name, scores, side) {
	const write = written(name, side === 'difference');
	const interval = scores.intervals[name];
	return h('td', { 'data-label': t(side) }, h('b', write(scores[name])), interval && h('small', interval.map((value) => write(value)).join(' – ')));
}

function whisker({ exact_rate: value, intervals }) {
	const [from, to] = intervals.exact_rate ?? [value, value];
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

function sure({ abstention, bins, expected_calibration_error: error }, side) {
	const table = (caption, heads, rows) => h('table', h('caption', caption), h('thead', h('tr', heads.map((key) => h('th', { scope: 'col' }, t(key))))),
		h('tbody', rows.map((row) => h('tr', row.map((text) => h('td', text))))));
	const right = 'figure.exact_rate';
	return h('div.stack',
		table(t('compare.off', { side: t(side), error: percent(error, 1) }), ['probability', 'answers', right], bins.map((one) => [percent(one.mean_probability), number(one.num_answers), percent(one.exact_rate)])),
		table(t('compare.abstain'), ['compare.below', 'compare.kept', right], abstention.map((one) => [percent(one.abstain_below), percent(one.answered_rate), percent(one.exact_rate)])));
}

const bars = (parts, key) =>
	h('section', h('h2', t(key)), h('p.legend', SIDES.map((side) => h('span', { 'data-side': side }, h('i', { style: { background: 'var(--side)' } }), t(side)))), h('dl', parts.map((part) =>
		h('div.pair', h('dt', part.label, h('small', number(part.num_samples))), SIDES.map((side) =>
			h('dd', { 'data-side': side, title: t(side), style: { '--share': part[side].exact_rate } }, h('i'), percent(part[side].exact_rate)))))));

const far = (fileId, one, job) =>
	card(fileId, one, one.question,
		h('ol.answers', SIDES.map((side) => answer(one[side], one.true_count, t(side)))),
		h('a', { href: `#/jobs/${job.job_id}?${new URLSearchParams({ view: 'try', file: fileId, row: one.row, question: one.question })}` }, t('compare.try')));
