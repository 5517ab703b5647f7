// Several runs: each figure of all of them in one chart, their results and settings side by side.

import { find, get, sleep } from './api.js';
import { chart } from './chart.js';
import { back, duration, fill, h, measured, muted, percent, short, t } from './parts.js';
import { loadFields, settingOf, writeRewards } from './settings.js';

const FIGURES = { reward_mean: measured, exact_rate: percent, median_absolute_count_error: measured, loss: short };
const LOOKS = [['--accent', []], ['--blue', [8, 4]], ['--amber', [2, 3]], ['--violet', [10, 3, 2, 3]], ['--bad', [5, 2]], ['--ink', [14, 4]]];
const POINTS = 300;
const PERIOD = 5000;

export async function show(main, { query, keep, signal }) {
	const [jobs, fields] = await Promise.all([get('jobs?limit=200'), loadFields()]);
	const view = h('div.view');
	const chosen = () => (query.get('jobs') ?? '').split(',').map((id) => jobs.find((job) => job.job_id === id)).filter(Boolean);
	const tick = (job) => {
		const input = h('input', { type: 'checkbox', checked: chosen().includes(job) });
		input.onchange = () => {
			const ids = chosen().filter((one) => one !== job).map((one) => one.job_id);
			keep({ jobs: (input.checked ? [...ids, job.job_id] : ids).join(',') });
			draw();
		};
		return h('label.check', input, h('span', job.job_name), h('small', `${t(`status.${job.status}`)} · ${job.job_id.slice(0, 8)}`));
	};
	const draw = () => {
		const runs = chosen().slice(0, LOOKS.length);
		return runs.length ? compare(view, runs, fields, signal) : fill(view, muted(t('runs.none')));
	};
	fill(main, back('#/jobs', t('nav.jobs')), h('h1', t('runs.title')),
		h('details', { open: chosen().length < 2 }, h('summary', t('runs.choose', { n: LOOKS.length })), h('div.fields', jobs.map(tick))), view);
	await draw();
}

async function compare(view, runs, fields, signal) {
	const ids = runs.map((job) => job.job_id);
	const all = (path) => Promise.all(ids.map((id) => find(`jobs/${id}/${path}`)));
	const [requests, results] = await Promise.all([all('settings'), Promise.all(runs.map((job) => (job.status === 'completed' ? find(`jobs/${job.job_id}/evaluation`) : null)))]);
	const lines = (field) => runs.map((job, i) => ({ label: job.job_name, colour: LOOKS[i][0], dash: LOOKS[i][1], of: (curve) => curve[field][i] }));
	const charts = Object.entries(FIGURES).map(([field, write]) => ({ field, ...chart(t(`curve.${field}`), lines(field), write) }));
	fill(view, h('div.charts', charts.map(({ card }) => card)), h('section', h('h2', t('runs.results')), sideBySide(runs, [...outcomes(runs, results), ...differing(requests, fields)])));
	const refresh = async () => {
		const steps = (await all(`metrics?max_points=${POINTS}`)).map((found) => found?.steps ?? []);
		const curve = aligned(steps);
		for (const { set } of charts) set(curve);
	};
	await refresh();
	while (runs.some((job) => job.status === 'training')) {
		await sleep(PERIOD);
		if (signal.aborted || !charts[0].card.isConnected) return;
		if (document.hidden) continue;
		await refresh().catch(() => {});
	}
}

/** The steps of all runs, and of each figure a line for each run, with gaps where it has no such step. */
function aligned(runs) {
	const step = [...new Set(runs.flatMap((steps) => steps.map((one) => one.step)))].sort((a, b) => a - b);
	const byStep = runs.map((steps) => new Map(steps.map((one) => [one.step, one])));
	const lines = (field) => byStep.map((known) => step.map((at) => known.get(at)?.[field] ?? null));
	return { step, ...Object.fromEntries(Object.keys(FIGURES).map((field) => [field, lines(field)])) };
}

function outcomes(runs, results) {
	const exact = (side) => [t('runs.exact', { side: t(side) }), results.map((found) => {
		const ends = found?.[side].intervals.exact_rate;
		return found ? `${percent(found[side].exact_rate, 1)}${ends ? ` (${ends.map((end) => percent(end, 1)).join(' – ')})` : ''}` : '–';
	})];
	const seconds = ({ started_at: from, ended_at: to }) => (Date.parse(to) - Date.parse(from)) / 1000;
	return [exact('base'), exact('adapter'), [t('runs.status'), runs.map((job) => t(`status.${job.status}`))], [t('about.duration'), runs.map((job) => duration(seconds(job)))]];
}

/** [label, values] of the settings that are not the same in all. */
function differing(requests, fields) {
	const rewards = [t('train.rewards'), requests.map((one) => (one ? writeRewards(one.rewards) || 'progressive_count 1' : '–'))];
	const models = [t('train.model'), requests.map((one) => one?.model ?? t('about.first'))];
	const settings = fields.map((one) => [t(`set.${one.name}`), requests.map((request) => `${settingOf(request ?? {}, one) ?? '–'}`)]);
	return [models, rewards, ...settings].filter(([, values]) => new Set(values).size > 1);
}

const sideBySide = (runs, rows) =>
	h('div.scroll', { tabIndex: 0 }, h('table.facing', h('thead', h('tr', h('td'), runs.map((job) => h('th', { scope: 'col' }, h('a', { href: `#/jobs/${job.job_id}` }, job.job_name))))),
		h('tbody', rows.map(([label, values]) => h('tr', h('th', { scope: 'row' }, label), values.map((value, i) => h('td', { 'data-label': runs[i].job_name }, value)))))));
