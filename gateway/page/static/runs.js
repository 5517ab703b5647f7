// Several runs in one chart for each figure, their results and settings side by side.

import { facing, fill, find, folded, h, jobsWith, keepFresh, measured, muted, percent, ranFor, section, short, t, tick } from './parts.js';
import { chart } from './chart.js';
import { scored } from './compare.js';
import { loadFields, modelOf, rewardsOf, settingOf } from './settings.js';

const FIGURES = { reward_mean: measured, exact_rate: percent, median_absolute_count_error: measured, loss: short };
const LOOKS = [['--accent', []], ['--blue', [8, 4]], ['--amber', [2, 3]], ['--violet', [10, 3, 2, 3]], ['--bad', [5, 2]], ['--ink', [14, 4]]];
const POINTS = 300;
const PERIOD = 5000;

export async function show(main, { query, keep }) {
	const ids = new Set(query.get('jobs')?.split(','));
	const [jobs, fields] = await Promise.all([jobsWith(query.get('jobs'), query), loadFields()]);
	const view = h('div.view');
	const choice = ({ job_id: id, job_name: name, status }) => {
		const onchange = ({ target }) => {
			ids[target.checked ? 'add' : 'delete'](id);
			keep({ jobs: [...ids].join(',') });
			draw();
		};
		return tick(name, `${t(`status.${status}`)} · ${id.slice(0, 8)}`, { checked: ids.has(id), onchange }).node;
	};
	const draw = () => {
		const runs = [...ids].map((id) => jobs.find((job) => job.job_id === id)).filter(Boolean).slice(0, LOOKS.length);
		return runs.length ? compare(view, runs, fields) : fill(view, muted(t('runs.none')));
	};
	fill(main, h('h1', t('runs.title')),
		folded(t('runs.choose', { n: LOOKS.length }), ids.size < 2, h('div.fields', jobs.map(choice))), view);
	await draw();
}

async function compare(view, runs, fields) {
	const all = (path) => Promise.all(runs.map((job) => find(`jobs/${job.job_id}/${path}`)));
	const results = runs.map((job) => (job.status === 'completed' ? find(`jobs/${job.job_id}/evaluation`) : null));
	const [requests, evaluations] = await Promise.all([all('settings'), Promise.all(results)]);
	const lines = (field) => runs.map((job, i) => ({ label: job.job_name, colour: LOOKS[i][0], dash: LOOKS[i][1], of: (point) => point.runs[i]?.[field] }));
	const charts = Object.entries(FIGURES).map(([field, write]) => chart(t(`curve.${field}`), lines(field), write));
	fill(view, h('div.charts', charts.map(({ card }) => card)), section('runs.results', facing(runs.map((job) => h('a', { href: `#/jobs/${job.job_id}` }, job.job_name)), [...outcomes(runs, evaluations), ...differing(requests, fields)])));
	const refresh = async () => {
		const points = aligned((await all(`metrics?max_points=${POINTS}`)).map((found) => found?.steps ?? []));
		for (const { set } of charts) set(points);
	};
	await refresh();
	keepFresh(PERIOD, refresh, () => charts[0].card.isConnected && runs.some((job) => job.status === 'training'));
}

function aligned(runs) {
	const byStep = runs.map((steps) => new Map(steps.map((one) => [one.step, one])));
	const all = new Set(byStep.flatMap((known) => [...known.keys()]));
	return [...all].sort((a, b) => a - b).map((step) => ({ step, runs: byStep.map((known) => known.get(step)) }));
}

function outcomes(runs, results) {
	const exact = (side) => [t('runs.exact', { side: t(side) }), ...results.map((found) => (found ? scored('exact_rate', found[side]) : '–'))];
	return [exact('base'), exact('adapter'), [t('about.duration'), ...runs.map((job) => ranFor(job) ?? '–')]];
}

function differing(requests, fields) {
	const line = (label, of) => [label, ...requests.map((one) => (one ? `${of(one)}` : '–'))];
	const settings = fields.map((one) => line(one.label, (request) => settingOf(request, one)));
	return [line(t('set.model'), modelOf), line(t('train.rewards'), rewardsOf), ...settings].filter(([, ...values]) => new Set(values).size > 1);
}
